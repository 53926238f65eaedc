"""What was vouched for: how long it counts, and when it is asked about again. No server, no clock."""

import pytest

from proxy.errors import Refused
from proxy.identity import vouched as module
from proxy.identity.vouched import RETRY, Question, Vouched
from tests.fakes.issuer import NOW

ONE, TWO = Question("a.b.c", "one", "1" * 64), Question("d.e.f", "two", "2" * 64)


def reason(vouched: Vouched, question: Question, now: float) -> str:
    """Why it does not count; empty if it does."""
    try:
        vouched.require(question.name, now)
    except Refused as refused:
        return refused.refusal.reason
    return ""


def test_what_nobody_vouched_for_counts_for_nothing() -> None:
    """Nor does something forgotten, as all is after a restart: what is not known is no yes."""
    vouched = Vouched(30, 120)
    vouched.keep(ONE.name, NOW + 900)
    assert (reason(vouched, ONE, NOW), vouched.counts(ONE, NOW)) == ("identity_expired", False)
    assert not vouched.bad(ONE)


def test_a_no_ends_it_until_there_is_a_yes() -> None:
    """Whatever was said before, and whatever hangs on it. Remembered for a while, to be told so."""
    vouched = Vouched(30, 120)
    vouched.good(ONE, NOW)
    vouched.keep(ONE.name, NOW + 900)
    assert reason(vouched, ONE, NOW + 1) == ""
    assert (vouched.bad(ONE), vouched.bad(ONE)) == (True, False)
    assert (reason(vouched, ONE, NOW + 1), vouched.counts(ONE, NOW + 1)) == ("identity_revoked", False)
    assert vouched.due(NOW + 99, 10) == []
    assert reason(vouched, ONE, NOW + 99) == "identity_revoked"
    vouched.good(ONE, NOW + 99)
    assert reason(vouched, ONE, NOW + 99) == ""
    vouched.bad(ONE)
    vouched.due(NOW + 999, 10)
    assert reason(vouched, ONE, NOW + 999) == "identity_expired"


def test_an_old_yes_does_not_count() -> None:
    """At the bound it still does, and a clock that was set back by more than that is as bad."""
    vouched = Vouched(30, 120)
    vouched.good(ONE, NOW)
    for now, expected in ((NOW + 120, ""), (NOW + 121, "identity_unavailable"), (NOW - 121, "identity_unavailable")):
        assert reason(vouched, ONE, now) == expected
    vouched.good(ONE, NOW + 121)
    assert reason(vouched, ONE, NOW + 121) == ""


def test_an_earlier_yes_counts_as_long_as_for_who_is_connected() -> None:
    """Shown again while nobody answers; never after a no."""
    vouched = Vouched(30, 120)
    vouched.good(ONE, NOW)
    assert [vouched.counts(ONE, now) for now in (NOW, NOW + 120, NOW + 121, NOW - 121)] == [True, True, False, False]
    assert not vouched.counts(TWO, NOW)
    vouched.bad(ONE)
    assert not vouched.counts(ONE, NOW)


def test_only_what_is_in_use_is_due() -> None:
    """The oldest first, only so many at a time, and after no answer again soon."""
    vouched = Vouched(30, 120)
    vouched.good(ONE, NOW)
    vouched.good(TWO, NOW + 1)
    assert vouched.due(NOW + 29, 10) == []
    assert vouched.due(NOW + 31, 1) == [ONE]
    assert vouched.due(NOW + 31, 0) == []
    assert vouched.due(NOW + 31, 10) == [TWO]
    assert vouched.due(NOW + 31 + RETRY, 10) == []
    vouched.require(TWO.name, NOW + 31 + RETRY)
    assert vouched.due(NOW + 31 + RETRY, 10) == [TWO]
    vouched.require(ONE.name, NOW + 40)
    assert vouched.due(NOW - 9, 10) == [ONE], "the clock was set back"


def test_what_something_hangs_on_is_due_though_nobody_uses_it() -> None:
    """Until then, and not a moment longer; the longest wins; an API server that is away does not make it forgotten."""
    vouched = Vouched(30, 120)
    vouched.good(ONE, NOW)
    vouched.keep(ONE.name, NOW + 600)
    vouched.keep(ONE.name, NOW + 300)
    assert [vouched.due(NOW + second, 10) for second in (30, 32, 40, 500)] == [[ONE], [], [ONE], [ONE]]
    assert reason(vouched, ONE, NOW + 500) == "identity_unavailable"
    vouched.good(ONE, NOW + 510)
    assert reason(vouched, ONE, NOW + 510) == ""
    assert vouched.due(NOW + 599, 10) == [ONE]
    assert vouched.due(NOW + 631, 10) == []
    assert reason(vouched, ONE, NOW + 631) == "identity_expired"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is forgotten for it must show itself anew."""
    monkeypatch.setattr(module, "_MOST", 1)
    vouched = Vouched(30, 120)
    vouched.good(ONE, NOW)
    vouched.good(TWO, NOW)
    assert (reason(vouched, ONE, NOW), reason(vouched, TWO, NOW)) == ("identity_expired", "")
    assert len(vouched._standings) == 1


def test_a_pod_is_met_by_its_first_good_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of that; by subject and pod together; and only as many as fit. Without a pod, nobody is."""
    monkeypatch.setattr(module, "_MOST", 1)
    vouched = Vouched(30, 120)
    first, next_token = Question("a", "one", "1" * 64, "pod/uid"), Question("b", "one", "2" * 64, "pod/uid")
    assert not vouched.met(next_token)
    vouched.good(first, NOW)
    vouched.bad(first)
    assert vouched.met(next_token)
    for other in (Question("c", "two", "3" * 64, "pod/uid"), Question("c", "one", "3" * 64, "pod/2"), ONE):
        assert not vouched.met(other)
    vouched.good(ONE, NOW)
    assert not vouched.met(ONE)
    vouched.good(Question("d", "one", "4" * 64, "pod/2"), NOW)
    assert not vouched.met(next_token)


def test_a_question_never_shows_its_token() -> None:
    """Whatever prints it."""
    assert "a.b.c" not in f"{ONE} {ONE!r} {[ONE]}"
