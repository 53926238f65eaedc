"""Watching an answer go by."""

import pytest

from proxy.listener.streaming import CHECK_EVERY, BodyGuard, Cut
from proxy.stages import Secret


def test_without_secrets_everything_passes() -> None:
    """Nothing is held back."""
    guard = BodyGuard((), lambda: None, lambda: 0.0)
    assert guard.feed(b"abc") + guard.end() == b"abc"


def test_a_secret_cuts() -> None:
    """In one piece or in two, and nothing after it passes either."""
    for before, last in ((b"x ", b"s3cr3t-value"), (b"x s3cr3t", b"-value")):
        guard = BodyGuard((Secret("env:X", "s3cr3t-value"),), lambda: None, lambda: 0.0)
        assert guard.feed(before) == b"x "
        with pytest.raises(Cut, match="secret_leaked"):
            guard.feed(last)
        with pytest.raises(Cut):
            guard.feed(b"more")


def test_access_is_checked_once_a_second() -> None:
    """The check is made as time passes, not for every piece."""
    now, asked = 0.0, 0

    def check() -> str | None:
        nonlocal asked
        asked += 1
        return "agent_revoked" if now > 5 else None

    guard = BodyGuard((), check, lambda: now)
    for _ in range(100):
        guard.feed(b"x")
    assert asked == 0
    now = CHECK_EVERY
    guard.feed(b"x")
    guard.feed(b"x")
    assert asked == 1
    now = 6.0
    with pytest.raises(Cut, match="agent_revoked"):
        guard.feed(b"x")
