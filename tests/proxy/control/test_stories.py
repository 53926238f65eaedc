"""From records to stories."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.stories import ENDINGS, stories_of, story_of

DECIDED = {
    "type": "call.decided", "idx": 3, "ts": "2026-01-01T00:00:01.000000Z", "call": "c", "task": "t",
    "agent": {"id": "bot", "owner": "alice"}, "decision": {"outcome": "allow"},
}  # fmt: skip
COMPLETED = {
    "type": "call.completed", "idx": 4, "ts": "2026-01-01T00:00:02.000000Z", "call": "c", "upstream": {"status": 0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        ("call.decided", "in_flight"),
        ("call.resumed", "in_flight"),
        ("call.held", "held"),
        ("call.refused", "refused"),
        ("identity.refused", "refused"),
        ("call.completed", "served"),
        ("call.aborted", "cut"),
        ("call.something_new", "in_flight"),
    ],
)
def test_the_last_record_says_how_it_ended(last: str, ending: str) -> None:
    """An unknown record never counts as an end."""
    assert story_of([DECIDED, COMPLETED | {"type": last}])["ending"] == ending


def test_what_is_known_is_kept_and_what_came_later_counts() -> None:
    """The agent comes from the first record, the status from the last, though it is zero."""
    story = story_of([COMPLETED, DECIDED])
    assert (story["agent"], story["owner"], story["task"], story["status"]) == ("bot", "alice", "t", 0)
    assert story["records"] == [3, 4]


def test_calls_come_by_their_latest_change() -> None:
    """The call that changed last is told first; records without a call are nobody's story."""
    other = DECIDED | {"call": "d", "ts": "2026-01-01T00:00:03.000000Z", "idx": 1}
    told = stories_of([DECIDED, COMPLETED, other, {"type": "policy.changed", "idx": 9}])
    assert [story["call"] for story in told] == ["d", "c"]


def test_no_record_is_no_story() -> None:
    """An empty list is a mistake of the caller."""
    with pytest.raises(ValueError, match="at least one"):
        story_of([])


SECTIONS = st.dictionaries(
    st.sampled_from(["agent", "action", "decision", "approval", "upstream", "error", "cred", "delegation"]),
    st.one_of(st.none(), st.dictionaries(st.sampled_from(["id", "status", "outcome", "chain"]), st.text(max_size=5))),
)


@given(st.lists(SECTIONS, min_size=1, max_size=4))
def test_any_records_tell_a_story(records: list[dict[str, Any]]) -> None:
    """Whatever sections are missing, the story has all its keys and a known ending."""
    story = story_of([record | {"call": "c", "idx": place} for place, record in enumerate(records)])
    assert story["ending"] in ENDINGS
    assert set(story) == set(story_of([{"call": "c"}]))
