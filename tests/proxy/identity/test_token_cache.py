"""What is remembered of tokens, and for how long."""

import pytest

from proxy.identity import token_cache
from proxy.identity.token_cache import TokenCache, VerifiedToken

TOKEN = VerifiedToken("https://idp.example", "bot", "j-1", 90.0, 150.0, "d1")


@pytest.mark.parametrize(
    ("not_after", "now", "known"),
    [(900.0, 159.9, True), (900.0, 160.0, False), (150.0, 150.0, False), (900.0, 99.0, False)],
)
def test_a_token_is_remembered_for_a_minute_at_most(not_after: float, now: float, known: bool) -> None:
    """A minute, or until it expires, and never in a past that the clock went back to."""
    cache = TokenCache()
    token = VerifiedToken("https://idp.example", "bot", "j-1", 90.0, not_after, "d1")
    cache.remember(token, 3, 7, 100.0)
    assert cache.verified("d1", now) == ((token, 3, 7) if known else None)
    assert cache.verified("d2", now) is None


def test_a_wrong_signature_is_remembered_for_seconds() -> None:
    """Five seconds, and only under the keys that it was wrong under."""
    cache = TokenCache()
    cache.remember_wrong("d1", 0, 100.0)
    assert [cache.is_wrong("d1", 0, now) for now in (100.0, 104.9, 105.0, 99.0)] == [True, True, False, False]
    assert not cache.is_wrong("d1", 1, 100.0)
    assert not cache.is_wrong("d2", 0, 100.0)


def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presents many tokens pushes out the ones unused for longest, and memory stays."""
    monkeypatch.setattr(token_cache, "_MOST", 2)
    cache = TokenCache()
    for digest in ("d1", "d2"):
        cache.remember(VerifiedToken("i", "s", "j", 90.0, 900.0, digest), 0, 0, 100.0)
    cache.verified("d1", 101.0)
    cache.remember(VerifiedToken("i", "s", "j", 90.0, 900.0, "d3"), 0, 0, 100.0)
    assert [cache.verified(digest, 101.0) is not None for digest in ("d1", "d2", "d3")] == [True, False, True]
    for digest in ("w1", "w2", "w3"):
        cache.remember_wrong(digest, 0, 100.0)
    assert [cache.is_wrong(digest, 0, 100.0) for digest in ("w1", "w2", "w3")] == [False, True, True]
