"""Tokens that were verified a moment ago, and signatures that were found wrong. Bounded; never longer than said."""

from collections import OrderedDict
from dataclasses import dataclass

from proxy.identity.methods import ISSUED_JWT

_VERIFIED_FOR = 60.0
_WRONG_FOR = 5.0
_MOST = 1 << 14  # above the 10,000 live ones of a large house: cycled through, a smaller cache misses every time


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a verified token, or a verified certificate, proves. `digest` is the SHA-256 (hex) of its exact text.

    `issued_at` is the earliest moment at which it can have been issued, `not_after` the latest at
    which it may be used, given the clock tolerance of its profile. `method` is how it was proven, and
    `instance` which running copy it speaks of, if it says so. `client` is whom it was issued to, if it says so.
    `key` is the name of the key that it was proven by, or of the token itself where its issuer stands by it; empty if
    that was neither.
    """

    issuer: str
    subject: str
    token_id: str
    issued_at: float
    not_after: float
    digest: str
    method: str = ISSUED_JWT
    instance: str = ""
    client: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    token: VerifiedToken
    profile: int
    epoch: int
    at: float


class TokenCache:
    """Keyed by the token's exact text; an entry counts only under the profile and key epoch that it was made under."""

    def __init__(self) -> None:
        self._verified: OrderedDict[str, _Entry] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def verified(self, digest: str, now: float) -> tuple[VerifiedToken, int, int] | None:
        """The token, its profile and key epoch, if it was verified within the last minute and has not expired."""
        entry = self._verified.get(digest)
        if entry is None:
            return None
        if not 0 <= now - entry.at < _VERIFIED_FOR or not now < entry.token.not_after:
            del self._verified[digest]
            return None
        self._verified.move_to_end(digest)
        return entry.token, entry.profile, entry.epoch

    def remember(self, token: VerifiedToken, profile: int, epoch: int, now: float) -> None:
        """Keep a token that has just been verified."""
        self._verified[token.digest] = _Entry(token, profile, epoch, now)
        if len(self._verified) > _MOST:
            self._verified.popitem(last=False)

    def is_wrong(self, digest: str, epoch: int, now: float) -> bool:
        """Whether this very text had a wrong signature within the last seconds, under the same keys."""
        found = self._wrong.get(digest)
        return found is not None and found[0] == epoch and 0 <= now - found[1] < _WRONG_FOR

    def remember_wrong(self, digest: str, epoch: int, now: float) -> None:
        """Keep a text whose signature is wrong, so that a client in a loop costs little."""
        self._wrong[digest] = (epoch, now)
        if len(self._wrong) > _MOST:
            self._wrong.popitem(last=False)
