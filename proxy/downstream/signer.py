"""Signs, publishes the keys to verify that with, and changes them in time. By default the accounts of calls."""

import logging
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import orjson

from policies.model import Json
from proxy.downstream.key_file import KeyRing, KeyUse, fresh, open_key_file, replace_key_file
from proxy.downstream.key_kinds import ES256
from proxy.downstream.profile import MAX_LIFETIME, TYP

log = logging.getLogger("countersign.keys")

ROTATE_AFTER = 30 * 86_400
# How long a key that signs no more is still published. Verifiers read the keys anew every five minutes.
OVERLAP = 3600
assert OVERLAP >= 2 * MAX_LIFETIME
# How long it is kept after that, to be withdrawn by its name with what it began.
KEPT = 8 * 3600  # INVARIANT: proxy.tasks.task lets no task run longer

CALLS = KeyUse(ES256, "signing", TYP, ROTATE_AFTER, OVERLAP)


class Signer:
    """One key signs, the next is published already, and the last ones are still.

    `epoch` moves when keys are withdrawn.
    """

    def __init__(self, path: Path, ring: KeyRing, use: KeyUse = CALLS) -> None:
        self._path = path
        self._use = use
        self.epoch = 0
        self._adopt(ring)

    @classmethod
    def open(cls, path: Path, now: float, use: KeyUse = CALLS) -> Self:
        """The signer of this key file, which is made if it does not exist; its key changed if that is due."""
        signer = cls(path, open_key_file(path, now, use), use)
        signer.rotate_if_due(now)
        return signer

    def _adopt(self, ring: KeyRing) -> None:
        self._ring = ring
        self._sign = ring.current.sign
        self._heads: dict[str, bytes] = {}

    @property
    def key_id(self) -> str:
        """Of the key that signs now."""
        return self._ring.current.key_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Of every key that has signed, signs or will, as far as it is kept."""
        return tuple(key.key_id for key in (self._ring.current, self._ring.coming, *self._ring.retired))

    def sign(self, claims: Mapping[str, Json], typ: str = "") -> str:
        """These claims as a compact JWS (RFC 7515, RFC 7518 section 3). Straight, since each call pays for it."""
        head = self._heads.get(typ) or self._head(typ)
        signed = head + _b64(orjson.dumps(claims))
        return (signed + b"." + _b64(self._sign(signed))).decode()

    def _head(self, typ: str) -> bytes:
        said = {"typ": typ or self._use.typ, "alg": self._use.kind.algorithm, "kid": self._ring.current.key_id}
        head = _b64(orjson.dumps(said)) + b"."
        self._heads[typ] = head
        return head

    def jwks(self, now: float) -> dict[str, Json]:
        """The keys that verify what was signed, is signed, and will be (RFC 7517)."""
        ring = self._ring
        retired = [key for key in ring.retired if now < key.until]
        return {"keys": [dict(key.public) for key in (ring.current, ring.coming, *retired)]}

    def rotate_if_due(self, now: float) -> bool:
        """True if another key signs from now on. If that cannot be stored, the old one goes on, and it is logged."""
        if now - self._ring.current.since < self._use.rotate_after:
            return False
        try:
            self._replace(self._turned(now))
        except OSError as error:
            name, why = self._use.name, error.strerror
            log.warning("the %s key stays, since `%s` cannot be written: %s", name, self._path, why)
            return False
        return True

    def rotate(self, now: float, *, withdraw: bool) -> None:
        """Another key signs from now on; raises `OSError` if that cannot be stored, and then nothing has changed.

        `withdraw`: none of the keys that there were counts any more. Whoever has read the file has the coming one too.
        """
        kind = self._use.kind
        self._replace(KeyRing(fresh(kind, int(now)), fresh(kind)) if withdraw else self._turned(now))
        self.epoch += withdraw

    def _turned(self, now: float) -> KeyRing:
        ring, use = self._ring, self._use
        last = replace(ring.current, until=int(now) + use.overlap)
        retired = (last, *(key for key in ring.retired if now < key.until + KEPT))
        return KeyRing(replace(ring.coming, since=int(now)), fresh(use.kind), retired)

    def _replace(self, ring: KeyRing) -> None:
        replace_key_file(self._path, ring)
        self._adopt(ring)


def _b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
