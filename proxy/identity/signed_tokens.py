"""What is the same for every kind of signed token: one digest, one look at the signature, and what is remembered."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import jwt

from proxy.errors import Refused
from proxy.identity.challenges import unproven
from proxy.identity.compact import MAX_BYTES, Unverified
from proxy.identity.lineage import name_of
from proxy.identity.token_cache import TokenCache, VerifiedToken

_JWS = jwt.PyJWS(options={"verify_signature": True, "enforce_minimum_key_length": True})


class Keys(Protocol):
    """Where the keys of some tokens come from. `epoch` moves when a key is taken away."""

    @property
    def epoch(self) -> int: ...

    async def current(self, now: float) -> object: ...

    async def key_of(self, unverified: Unverified, now: float) -> jwt.PyJWK | None: ...


class SignedTokens:
    """Verifies signatures by several sources of keys. What was good counts for a minute, what was wrong for seconds.

    What a token must say is for the caller to judge, before and after. Verified under other keys is not verified.
    """

    def __init__(self, sources: Sequence[Keys]) -> None:
        self._sources = tuple(sources)
        self._cache = TokenCache()

    async def known(self, digest: str, now: float) -> VerifiedToken | None:
        """The token of this digest, if it was verified a moment ago and by keys that still count."""
        cached = self._cache.verified(digest, now)
        if cached is None:
            return None
        verified, index, epoch = cached
        await self._sources[index].current(now)
        return verified if self._sources[index].epoch == epoch else None

    async def check(self, token: str, unverified: Unverified, digest: str, index: int, now: float) -> tuple[int, str]:
        """The epoch of the keys by which this token's signature is right, and the key's name; refuses any other."""
        source = self._sources[index]
        key = await source.key_of(unverified, now)
        epoch = source.epoch
        if self._cache.is_wrong(digest, epoch, now):
            raise unproven("identity_invalid", "token_signature")
        if key is None:
            raise unproven("identity_invalid", "token_key_unknown")
        try:
            check_signature(token, unverified, key)
        except Refused:
            self._cache.remember_wrong(digest, epoch, now)
            raise
        return epoch, name_of(key.key)

    def remember(self, verified: VerifiedToken, index: int, epoch: int, now: float) -> None:
        """Keep a token that was verified just now."""
        self._cache.remember(verified, index, epoch, now)


def digest_of(token: str) -> str:
    """SHA-256 (hex) of the token's exact text; refuses one that is too large to be looked at."""
    if len(token) > MAX_BYTES:
        raise unproven("identity_invalid", "token_too_large")
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def check_signature(token: str, unverified: Unverified, key: jwt.PyJWK) -> None:
    """The key's own algorithm, over the very bytes that were read."""
    if key.algorithm_name != unverified.algorithm:
        raise unproven("identity_invalid", "token_algorithm")
    try:
        proven = _JWS.decode_complete(token, key, algorithms=[key.algorithm_name])
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise unproven("identity_invalid", f"token_signature: {type(error).__name__}") from error
    if proven["payload"] != unverified.payload:
        raise unproven("identity_invalid", "token_parser_differential")
