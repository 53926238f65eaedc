"""Signs the accounts of calls (ES256), and publishes the keys to verify them with."""

import logging
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from policies.model import Json
from proxy.downstream.key_file import KeyRing, fresh, open_key_file, replace_key_file
from proxy.downstream.profile import ALGORITHM, MAX_LIFETIME, TYP

log = logging.getLogger("countersign.downstream")

ROTATE_AFTER = 30 * 86_400
# How long a key that signs no more is still published. Verifiers read the keys anew every five minutes.
OVERLAP = 3600
assert OVERLAP >= 2 * MAX_LIFETIME

_ES256 = ec.ECDSA(hashes.SHA256())


class Signer:
    """One key signs, the next is published already, and the last ones are still."""

    def __init__(self, path: Path, ring: KeyRing) -> None:
        self._path = path
        self._adopt(ring)

    @classmethod
    def open(cls, path: Path, now: float) -> Self:
        """The signer of this key file, which is made if it does not exist; its key changed if that is due."""
        signer = cls(path, open_key_file(path, now))
        signer.rotate_if_due(now)
        return signer

    def _adopt(self, ring: KeyRing) -> None:
        self._ring = ring
        self._private = ring.current.private
        self._heads: dict[str, bytes] = {}

    @property
    def key_id(self) -> str:
        """Of the key that signs now."""
        return self._ring.current.key_id

    def sign(self, claims: Mapping[str, Json], typ: str = TYP) -> str:
        """These claims as a compact JWS (RFC 7515, RFC 7518 section 3.4). Straight, since each call pays for it."""
        head = self._heads.get(typ) or self._head(typ)
        signed = head + _b64(orjson.dumps(claims))
        r, s = decode_dss_signature(self._private.sign(signed, _ES256))
        return (signed + b"." + _b64(r.to_bytes(32) + s.to_bytes(32))).decode()

    def _head(self, typ: str) -> bytes:
        head = _b64(orjson.dumps({"typ": typ, "alg": ALGORITHM, "kid": self._ring.current.key_id})) + b"."
        self._heads[typ] = head
        return head

    def jwks(self, now: float) -> dict[str, Json]:
        """The keys that verify what was signed, is signed, and will be (RFC 7517)."""
        ring = self._ring
        retired = [key for key in ring.retired if now < key.until]
        return {"keys": [dict(key.public) for key in (ring.current, ring.coming, *retired)]}

    def rotate_if_due(self, now: float) -> bool:
        """True if another key signs from now on. If that cannot be stored, the old one goes on, and it is logged."""
        if now - self._ring.current.since < ROTATE_AFTER:
            return False
        ring = self._ring
        last = replace(ring.current, until=int(now) + OVERLAP)
        retired = (last, *(key for key in ring.retired if now < key.until))
        turned = KeyRing(replace(ring.coming, since=int(now)), fresh(), retired)
        try:
            replace_key_file(self._path, turned)
        except OSError as error:
            log.warning("the signing key stays, since `%s` cannot be written: %s", self._path, error.strerror)
            return False
        self._adopt(turned)
        return True


def _b64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
