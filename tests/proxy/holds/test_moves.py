"""What can be done to a hold."""

import dataclasses

import pytest

from proxy.holds import moves
from proxy.holds.machine import Impossible, apply
from proxy.holds.mistakes import HoldError
from proxy.holds.model import State, Transition, Vote
from proxy.holds.rules import Eligibility
from tests.fakes.held_calls import NOW, OWNER_SIGNS, hold

NOBODY = Eligibility((), {})
EVERY_MOVE: tuple[moves.Move, ...] = (
    moves.Tick(),
    moves.Cast(Vote("olga", "approve", NOW), NOBODY),
    moves.Recheck("olga", OWNER_SIGNS, NOBODY, frozenset()),
    moves.Reserve("a", "n", "c"),
    moves.MarkSent("a"),
    moves.Finish("a", 200),
    moves.GiveBack("a", "w"),
    moves.LoseTrack("a", "w"),
    moves.Reconcile("olga", executed=True, evidence="e"),
    moves.Withdraw("refunds"),
    moves.Revoke("proxy", "x"),
    moves.Invalidate("x"),
)


def test_the_list_is_complete() -> None:
    """Every kind of move that there is stands in the table of these tests."""
    kinds = {
        kind for kind in vars(moves).values() if dataclasses.is_dataclass(kind) and kind.__module__ == moves.__name__
    }
    assert kinds == {type(move) for move in EVERY_MOVE}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", EVERY_MOVE, ids=lambda move: type(move).__name__)
def test_every_move_in_every_state_is_a_transition_or_an_error(move: moves.Move, state: State) -> None:
    """A transition, a person's mistake or a bug of ours: never anything else, and never an approval by accident."""
    before = hold(state=state, use_by=NOW + 600)
    try:
        transition = apply(before, move, NOW + 1)
    except (HoldError, Impossible):
        return
    assert isinstance(transition, Transition)
    assert state is State.APPROVED or transition.after.state not in {State.APPROVED, State.RELEASING} - {state}
