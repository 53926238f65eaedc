"""The nouns of sign-off."""

from proxy.holds.model import OPEN, STATUS, TERMINAL, State, Vote
from tests.fakes.held_calls import NOW, hold


def test_every_state_is_open_ended_or_unknown() -> None:
    """No state is forgotten, and each has its word in the status resource."""
    assert set(State) == OPEN | TERMINAL | {State.OUTCOME_UNKNOWN}
    assert not OPEN & TERMINAL
    assert set(STATUS) == set(State)
    assert {state for state, status in STATUS.items() if status == "approved"} == {
        State.APPROVED,
        State.RELEASING,
        State.EXECUTED,
    }


def test_only_counted_approvals_count() -> None:
    """Late, void and denying votes are kept, and are no approvals."""
    votes = (
        Vote("a", "approve", NOW, roles=("owner",)),
        Vote("b", "approve", NOW, standing="late"),
        Vote("c", "approve", NOW, standing="void"),
        Vote("d", "deny", NOW),
    )
    assert hold(votes=votes).approvals == {"a": frozenset({"owner"})}


def test_the_short_code_is_read_by_eye() -> None:
    """Four and two digits of the action's digest."""
    assert hold().code == "9F2C-41"
