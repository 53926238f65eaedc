"""The signing keys, in one file that only we may read: which signs now, which will, and which did."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from policies.model import Json
from proxy.errors import CountersignError
from proxy.files import publish_once, replace_file


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`since` is when it began to sign; `until`, for one that has signed, when it is published no longer."""

    private: ec.EllipticCurvePrivateKey
    key_id: str
    public: Mapping[str, Json]
    since: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class KeyRing:
    """`coming` is published long before it signs, so that nobody meets a key that they have not read."""

    current: SigningKey
    coming: SigningKey
    retired: tuple[SigningKey, ...] = ()


def signing_key(private: ec.EllipticCurvePrivateKey, since: int = 0, until: int = 0) -> SigningKey:
    """This key with its public form; its id is the thumbprint of that (RFC 7638)."""
    numbers = private.public_key().public_numbers()
    point = {"crv": "P-256", "kty": "EC", "x": _b64(numbers.x.to_bytes(32)), "y": _b64(numbers.y.to_bytes(32))}
    key_id = _b64(hashlib.sha256(json.dumps(point, separators=(",", ":"), sort_keys=True).encode()).digest())
    return SigningKey(private, key_id, {**point, "kid": key_id, "use": "sig", "alg": "ES256"}, since, until)


def fresh(since: int = 0) -> SigningKey:
    """A new key."""
    return signing_key(ec.generate_private_key(ec.SECP256R1()), since)


def open_key_file(path: Path, now: float) -> KeyRing:
    """The keys in this file, which is made (mode 0600) if it does not exist; raises `CountersignError`."""
    text = read_private(path, lambda: _written(KeyRing(fresh(int(now)), fresh())))
    try:
        return _read(text)
    except (ValueError, TypeError, KeyError) as error:
        raise CountersignError(f"`{path}` does not hold our signing keys; restore it, or remove it") from error


def read_private(path: Path, make: Callable[[], bytes]) -> bytes:
    """What this file of keys holds; it is made of `make()`, mode 0600, if it does not exist.

    Raises `CountersignError` if it cannot be used, or if others may read it.
    """
    try:
        if not path.exists():
            publish_once(path, make())
        mode = path.stat().st_mode & 0o777
        text = path.read_bytes()
    except OSError as error:
        raise CountersignError(f"cannot use the signing keys `{path}`: {error.strerror}") from error
    if mode & 0o077:
        raise CountersignError(f"others may read the signing keys `{path}` (mode {mode:04o}): run chmod 600 on it")
    return text


def replace_key_file(path: Path, ring: KeyRing) -> None:
    """From now on the file holds these keys; complete, or not at all. Raises `OSError`."""
    replace_file(path, _written(ring))


def _read(text: bytes) -> KeyRing:
    document = json.loads(text)
    if document["version"] != 1:
        raise ValueError("another version")
    keys = [_read_key(entry) for entry in document["keys"]]
    current, coming = (key for key in keys if not key.until)
    return KeyRing(current, coming, tuple(key for key in keys if key.until))


def _read_key(entry: Mapping[str, object]) -> SigningKey:
    private = load_pem_private_key(str(entry["pem"]).encode(), None)
    since, until = entry["since"], entry["until"]
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(private.curve, ec.SECP256R1):
        raise TypeError("not a P-256 key")
    if not isinstance(since, int) or not isinstance(until, int):
        raise TypeError("not a time")
    return signing_key(private, since, until)


def _written(ring: KeyRing) -> bytes:
    keys = [
        {
            "pem": key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "since": key.since,
            "until": key.until,
        }
        for key in (ring.current, ring.coming, *ring.retired)
    ]
    return json.dumps({"version": 1, "keys": keys}, indent=1).encode()


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
