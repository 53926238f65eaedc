"""A token issuer with real keys: signs what it is told, right or wrong."""

import base64
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://idp.example"
AUDIENCE = "https://countersign.example"
SUBJECT = "refund-bot@idp"
NOW = 1_800_000_000.0

type Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_MAKERS: dict[str, Callable[[], Private]] = {
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "RS1024": lambda: rsa.generate_private_key(public_exponent=65537, key_size=1024),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@cache
def private_key(kind: str, name: str = "k1") -> Private:
    """A real key, made once for the whole run."""
    assert name
    return _MAKERS[kind]()


def jwk(kind: str, name: str = "k1", **more: Any) -> dict[str, Any]:
    """The public half, as an issuer publishes it. A member given as None is left out."""
    algorithm = jwt.get_algorithm_by_name("RS256" if kind.startswith("RS") else kind)
    public: dict[str, Any] = json.loads(algorithm.to_jwk(private_key(kind, name).public_key()))
    public.pop("key_ops", None)
    public |= {"kid": name, "use": "sig"} | more
    return {member: value for member, value in public.items() if value is not None}


def key_set(*keys: dict[str, Any]) -> bytes:
    """A JWKS document."""
    return json.dumps({"keys": list(keys)}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good RFC 9068 token at NOW, changed as told; None leaves a claim out."""
    good = {
        "iss": ISSUER,
        "sub": SUBJECT,
        "aud": AUDIENCE,
        "exp": int(NOW) + 600,
        "iat": int(NOW) - 10,
        "jti": "j-1",
        "client_id": "refunds",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def header(**changes: Any) -> dict[str, Any]:
    """The header of a good token, changed as told; None leaves a member out."""
    good = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    return {name: value for name, value in (good | changes).items() if value is not None}


def sign(
    said: Mapping[str, Any] | bytes | None = None,
    head: Mapping[str, Any] | bytes | None = None,
    *,
    kind: str = "ES256",
    name: str = "k1",
) -> str:
    """A compact JWS over exactly these bytes, signed by the real key, whatever the header says."""
    first = head if isinstance(head, bytes) else json.dumps(header() if head is None else head).encode()
    second = said if isinstance(said, bytes) else json.dumps(claims() if said is None else said).encode()
    signed = f"{b64(first)}.{b64(second)}"
    algorithm = jwt.get_algorithm_by_name("RS256" if kind.startswith("RS") else kind)
    return f"{signed}.{b64(algorithm.sign(signed.encode(), private_key(kind, name)))}"


def public_pem(kind: str, name: str = "k1") -> bytes:
    """The public key as PEM: what an attacker would sign with by HMAC."""
    return (
        private_key(kind, name)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
