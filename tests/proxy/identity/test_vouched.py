"""What was vouched for: how long it counts, and when it is asked about again. No server, no clock."""

import pytest

from proxy.errors import Refused
from proxy.identity import vouched as module
from proxy.identity.vouched import RETRY, Question, Vouched
from tests.fakes.issuer import NOW

ONE, TWO = Question("a.b.c", "one", "d1"), Question("d.e.f", "two", "d2")


def reason(vouched: Vouched, number: int, now: float) -> str:
    """Why it does not count; empty if it does."""
    try:
        vouched.require(number, now)
    except Refused as refused:
        return refused.refusal.reason
    return ""


def test_a_number_that_was_never_given_counts_for_nothing() -> None:
    """Nor does that of something forgotten: what is not known is no yes."""
    assert reason(Vouched(30, 120), 0, NOW) == "identity_expired"
    assert reason(Vouched(30, 120), 1, NOW) == "identity_expired"


def test_a_no_is_for_good() -> None:
    """A later yes is another number."""
    vouched = Vouched(30, 120)
    first = vouched.good(ONE, NOW)
    assert vouched.good(ONE, NOW + 1) == first
    assert vouched.bad(ONE.digest)
    assert not vouched.bad(ONE.digest)
    assert reason(vouched, first, NOW + 1) == "identity_revoked"
    second = vouched.good(ONE, NOW + 2)
    assert second != first
    assert (reason(vouched, first, NOW + 2), reason(vouched, second, NOW + 2)) == ("identity_revoked", "")
    vouched.due(NOW + 999, 10)
    assert reason(vouched, first, NOW + 999) == "identity_expired"


def test_an_old_yes_does_not_count() -> None:
    """At the bound it still does, and a clock that was set back by more than that is as bad."""
    vouched = Vouched(30, 120)
    number = vouched.good(ONE, NOW)
    for now, expected in ((NOW + 120, ""), (NOW + 121, "identity_unavailable"), (NOW - 121, "identity_unavailable")):
        assert reason(vouched, number, now) == expected
    vouched.good(ONE, NOW + 121)
    assert reason(vouched, number, NOW + 121) == ""


def test_an_earlier_yes_counts_as_long_as_for_who_is_connected() -> None:
    """Shown again while nobody answers; never after a no."""
    vouched = Vouched(30, 120)
    number = vouched.good(ONE, NOW)
    assert [vouched.number_of(ONE.digest, now) for now in (NOW, NOW + 120, NOW + 121, NOW - 121)] == [
        number,
        number,
        0,
        0,
    ]
    assert vouched.number_of(TWO.digest, NOW) == 0
    vouched.bad(ONE.digest)
    assert vouched.number_of(ONE.digest, NOW) == 0


def test_only_what_is_in_use_is_due() -> None:
    """The oldest first, only so many at a time, and after no answer again soon."""
    vouched = Vouched(30, 120)
    one, two = vouched.good(ONE, NOW), vouched.good(TWO, NOW + 1)
    assert vouched.due(NOW + 29, 10) == []
    assert vouched.due(NOW + 31, 1) == [ONE]
    assert vouched.due(NOW + 31, 0) == []
    assert vouched.due(NOW + 31, 10) == [TWO]
    assert vouched.due(NOW + 31 + RETRY, 10) == []
    vouched.require(two, NOW + 31 + RETRY)
    assert vouched.due(NOW + 31 + RETRY, 10) == [TWO]
    vouched.require(one, NOW + 40)
    assert vouched.due(NOW - 9, 10) == [ONE], "the clock was set back"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is forgotten for it must show itself anew."""
    monkeypatch.setattr(module, "_MOST", 1)
    vouched = Vouched(30, 120)
    first, second = vouched.good(ONE, NOW), vouched.good(TWO, NOW)
    assert (reason(vouched, first, NOW), reason(vouched, second, NOW)) == ("identity_expired", "")
    assert len(vouched._by_digest) == 1


def test_a_question_never_shows_its_token() -> None:
    """Whatever prints it."""
    assert "a.b.c" not in f"{ONE} {ONE!r} {[ONE]}"
