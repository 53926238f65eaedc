"""The story that a log tells."""

import pytest

from telemetry.call_rules import CallRules
from tests.fakes.audit_records import AT, approval_decided, as_stored, completed, decided, resumed


def problems(records, **options):
    rules = CallRules(**options)
    return [problem for record in as_stored(records) for problem in rules.check(record)]


@pytest.mark.parametrize(
    "story",
    [
        [decided(), completed()],
        [decided(outcome="deny")],
        [decided(outcome="hold"), approval_decided(), resumed(), completed(at=AT + 13)],
        [{"type": "proxy.started"}, {"type": "call.refused", "call": "call_9"}],
        [decided(), {"type": "call.forwarded", "call": "call_1"}, {"type": "call.aborted", "call": "call_1"}],
    ],
)
def test_stories_that_are_in_order(story):
    """Allowed, denied, held and released, refused, cut: nothing to say."""
    assert problems(story) == []


def test_an_approval_needs_a_name():
    """A released call whose record names no hold, or no approver, is a finding even if an approval is on record."""
    nameless = resumed() | {"approval": {"id": "hold_1"}}
    assert problems([approval_decided(), nameless]) == ["a held call was released, but the record names no approval"]
    assert problems([resumed() | {"approval": "?"}]) == ["a held call was released, but the record names no approval"]


def test_a_pruned_log_is_judged_by_what_it_has():
    """Without its beginning, a log is not accused of what may have been there."""
    assert problems([completed(), resumed()], from_start=False) == []


def test_memory_is_bounded(monkeypatch):
    """Calls without an end do not pile up for ever; the oldest are forgotten."""
    monkeypatch.setattr("telemetry.call_rules._MOST_CALLS", 2)
    rules = CallRules()
    for record in as_stored([decided(f"call_{number}") for number in range(5)]):
        assert list(rules.check(record)) == []
    assert len(rules._calls) == 2


@pytest.mark.parametrize("ts", [None, "yesterday"])
def test_a_time_that_is_none(ts):
    """A record without a readable time is a finding."""
    assert len(list(CallRules().check_time({"ts": ts}))) == 1
