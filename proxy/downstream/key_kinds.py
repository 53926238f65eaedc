"""The two algorithms that we sign with: how a key of each is made, told in public, and used."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

type Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
type Sign = Callable[[bytes], bytes]

RSA_BITS = 2048

_SHA256 = hashes.SHA256()
_ECDSA, _PKCS1 = ec.ECDSA(_SHA256), padding.PKCS1v15()


@dataclass(frozen=True, slots=True)
class KeyKind:
    """`use` gives the members that make a public key what it is (RFC 7638), and how to sign; it raises `TypeError` for
    a key of another kind."""

    algorithm: str
    make: Callable[[], Private]
    use: Callable[[object], tuple[Mapping[str, str], Sign]]


def _p256(private: object) -> tuple[Mapping[str, str], Sign]:
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise TypeError("not a P-256 key")
    key, numbers = private, private.public_key().public_numbers()

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, _ECDSA))
        return r.to_bytes(32) + s.to_bytes(32)

    return {"crv": "P-256", "kty": "EC", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)}, sign


def _rsa(private: object) -> tuple[Mapping[str, str], Sign]:
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < RSA_BITS:
        raise TypeError("not an RSA key of enough bits")
    key, numbers = private, private.public_key().public_numbers()

    def sign(data: bytes) -> bytes:
        return key.sign(data, _PKCS1, _SHA256)

    return {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}, sign


ES256 = KeyKind("ES256", lambda: ec.generate_private_key(ec.SECP256R1()), _p256)
RS256 = KeyKind("RS256", lambda: rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS), _rsa)


def _number(value: int, length: int = 0) -> str:
    data = value.to_bytes(length or (value.bit_length() + 7) // 8)
    return urlsafe_b64encode(data).rstrip(b"=").decode()
