"""Keys that we sign with, in one file that only we may read: which signs now, which will, and which did."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from policies.model import Json
from proxy.downstream.key_kinds import KeyKind, Private, Sign
from proxy.errors import CountersignError
from proxy.files import publish_once, replace_file


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What keys are for: of which kind they are, what messages call them, and the `typ` of what they sign.

    One signs for `rotate_after` seconds. It is published for `overlap` more, since what it signed is still on the way.
    """

    kind: KeyKind
    name: str
    typ: str
    rotate_after: int
    overlap: int


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`since` is when it began to sign; `until`, for one that has signed, when it is published no longer."""

    private: Private
    key_id: str
    public: Mapping[str, Json]
    sign: Sign
    since: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class KeyRing:
    """`coming` is published long before it signs, so that nobody meets a key that they have not read."""

    current: SigningKey
    coming: SigningKey
    retired: tuple[SigningKey, ...] = ()


def signing_key(kind: KeyKind, private: Private, since: int = 0, until: int = 0) -> SigningKey:
    """This key with its public form; its id is the thumbprint of that (RFC 7638)."""
    members, sign = kind.use(private)
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    key_id = urlsafe_b64encode(thumbprint).rstrip(b"=").decode()
    public: dict[str, Json] = {**members, "kid": key_id, "use": "sig", "alg": kind.algorithm}
    return SigningKey(private, key_id, public, sign, since, until)


def fresh(kind: KeyKind, since: int = 0) -> SigningKey:
    """A new key."""
    return signing_key(kind, kind.make(), since)


def open_key_file(path: Path, now: float, use: KeyUse) -> KeyRing:
    """The keys in this file, which is made (mode 0600) if it does not exist; raises `CountersignError`."""
    text = _private(path, use, lambda: _written(KeyRing(fresh(use.kind, int(now)), fresh(use.kind))))
    try:
        return _read(text, use.kind)
    except (ValueError, TypeError, KeyError) as error:
        raise CountersignError(f"`{path}` does not hold our {use.name} keys; restore it, or remove it") from error


def replace_key_file(path: Path, ring: KeyRing) -> None:
    """From now on the file holds these keys; complete, or not at all. Raises `OSError`."""
    replace_file(path, _written(ring))


def _private(path: Path, use: KeyUse, make: Callable[[], bytes]) -> bytes:
    """What the file holds, unless others may read it."""
    try:
        if not path.exists():
            publish_once(path, make())
        mode = path.stat().st_mode & 0o777
        text = path.read_bytes()
    except OSError as error:
        raise CountersignError(f"cannot use the {use.name} keys `{path}`: {error.strerror}") from error
    if mode & 0o077:
        raise CountersignError(f"others may read the {use.name} keys `{path}` (mode {mode:04o}): run chmod 600 on it")
    return text


def _read(text: bytes, kind: KeyKind) -> KeyRing:
    document = json.loads(text)
    if document["version"] != 1:
        raise ValueError("another version")
    keys = [_read_key(entry, kind) for entry in document["keys"]]
    current, coming = (key for key in keys if not key.until)
    return KeyRing(current, coming, tuple(key for key in keys if key.until))


def _read_key(entry: Mapping[str, object], kind: KeyKind) -> SigningKey:
    private = load_pem_private_key(str(entry["pem"]).encode(), None)
    since, until = entry["since"], entry["until"]
    if not isinstance(since, int) or not isinstance(until, int):
        raise TypeError("not a time")
    return signing_key(kind, cast("Private", private), since, until)  # raises for a key of another kind


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
