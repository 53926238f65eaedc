"""The keys of our security event tokens: RSA, since receivers must take RS256 (CAEP interoperability profile).

They are in a file of their own and published by themselves: no key here verifies a credential, and none of those an
event.
"""

import hashlib
import json
import logging
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from policies.model import Json
from proxy.control.signals.words import TYP
from proxy.downstream.key_file import read_private
from proxy.errors import CountersignError
from proxy.files import replace_file

log = logging.getLogger("countersign.signals")

ALGORITHM = "RS256"
BITS = 2048
ROTATE_AFTER = 90 * 86_400
# How long a key that signs no more is still published: tokens are signed when they go, so that few are on the way.
OVERLAP = 7 * 86_400


@dataclass(frozen=True, slots=True)
class _Key:
    private: rsa.RSAPrivateKey
    public: Mapping[str, Json]
    since: int = 0
    until: int = 0

    @property
    def key_id(self) -> str:
        return str(self.public["kid"])


class SetSigner:
    """One key signs, the next is published already, and the last ones are still."""

    def __init__(self, path: Path, keys: tuple[_Key, ...]) -> None:
        self._path = path
        self._keys = keys

    @classmethod
    def open(cls, path: Path, now: float) -> Self:
        """The signer of this key file, made (mode 0600) if it does not exist; raises `CountersignError`."""
        text = read_private(path, lambda: _written((_fresh(int(now)), _fresh())))
        try:
            keys = _read(text)
        except (ValueError, TypeError, KeyError) as error:
            raise CountersignError(f"`{path}` does not hold our event keys; restore it, or remove it") from error
        signer = cls(path, keys)
        signer.rotate_if_due(now)
        return signer

    def sign(self, claims: Mapping[str, Json]) -> str:
        """These claims as a compact JWS (RFC 7515, RFC 7518 section 3.3)."""
        current = self._keys[0]
        head = orjson.dumps({"typ": TYP, "alg": ALGORITHM, "kid": current.key_id})
        signed = _b64(head) + b"." + _b64(orjson.dumps(claims))
        signature = current.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _b64(signature)).decode()

    def jwks(self, now: float) -> dict[str, Json]:
        """The keys that verify what was signed, is signed, and will be (RFC 7517)."""
        return {"keys": [dict(key.public) for key in self._keys if not key.until or now < key.until]}

    def rotate_if_due(self, now: float) -> bool:
        """True if another key signs from now on. If that cannot be stored, the old one goes on, and it is logged."""
        current, coming, *retired = self._keys
        if now - current.since < ROTATE_AFTER:
            return False
        kept = [key for key in retired if now < key.until]
        last = replace(current, until=int(now) + OVERLAP)
        turned = (replace(coming, since=int(now)), _fresh(), last, *kept)
        try:
            replace_file(self._path, _written(turned))
        except OSError as error:
            log.warning("the event key stays, since `%s` cannot be written: %s", self._path, error.strerror)
            return False
        self._keys = turned
        return True


def _fresh(since: int = 0) -> _Key:
    return _key(rsa.generate_private_key(public_exponent=65537, key_size=BITS), since, 0)


def _key(private: rsa.RSAPrivateKey, since: int, until: int) -> _Key:
    numbers = private.public_key().public_numbers()
    members = {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    public: dict[str, Json] = {**members, "kid": _b64(thumbprint).decode(), "use": "sig", "alg": ALGORITHM}
    return _Key(private, public, since, until)


def _written(keys: tuple[_Key, ...]) -> bytes:
    entries = [
        {
            "pem": key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "since": key.since,
            "until": key.until,
        }
        for key in keys
    ]
    return json.dumps({"version": 1, "keys": entries}, indent=1).encode()


def _read(text: bytes) -> tuple[_Key, ...]:
    """The current key, the coming one, and those that signed before."""
    document = json.loads(text)
    if document["version"] != 1:
        raise ValueError("another version")
    keys = [_read_key(entry) for entry in document["keys"]]
    current, coming = (key for key in keys if not key.until)
    return (current, coming, *(key for key in keys if key.until))


def _read_key(entry: Mapping[str, object]) -> _Key:
    private = load_pem_private_key(str(entry["pem"]).encode(), None)
    since, until = entry["since"], entry["until"]
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < BITS:
        raise TypeError("not an RSA key of enough bits")
    if not isinstance(since, int) or not isinstance(until, int):
        raise TypeError("not a time")
    return _key(private, since, until)


def _number(value: int) -> str:
    return _b64(value.to_bytes((value.bit_length() + 7) // 8)).decode()


def _b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
