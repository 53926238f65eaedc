"""A hold as people are shown it."""

import json
from dataclasses import replace
from datetime import date

from proxy.holds.model import Attempt, Hold, State, Vote
from proxy.holds.rules import Parties, eligible
from proxy.holds.view import HoldView, view_of
from tests.fakes.held_calls import NOW, TWO_SIGN, hold, inventory


def view(of: Hold, card: dict[str, object] | None = None, **world: object) -> HoldView:
    parties = Parties("refunds", "crm", (), of.root)
    who = eligible(of.requirement, parties, inventory(**world), date(2026, 9, 21))  # type: ignore[arg-type] # as told
    return view_of(of, {"effect": "x"} if card is None else card, who, "olga", 2)  # type: ignore[arg-type] # any JSON


def test_a_view_says_who_is_needed_and_who_has_signed() -> None:
    """Each clause with its people, who approved, and who may still decide."""
    signed = hold(requirement=TWO_SIGN, votes=(Vote("olga", "approve", NOW, roles=("owner",)),))
    seen = view(signed)
    assert seen.needs[0].approved == ("olga",)
    assert seen.needs[1].people == ("sara", "sven")
    assert seen.may_decide == ("dan", "sara", "sven")
    assert (seen.problem, seen.waiting, seen.status) == ("", 2, "pending")


def test_a_view_says_what_is_wrong() -> None:
    """Nobody who could sign, or a card that cannot be shown."""
    assert view(hold(), inactive=("olga", "dan")).problem == "no_eligible_approver"
    assert view(hold(root="olga"), inactive=("dan",)).problem == "no_eligible_approver"
    assert view(hold(), {}).problem == "card_unreadable"
    assert view(hold(state=State.EXPIRED), inactive=("olga", "dan")).problem == ""


def test_nobody_may_decide_what_is_decided() -> None:
    """A closed hold offers no decision to anybody."""
    assert view(hold(state=State.DENIED)).may_decide == ()
    assert view(hold(state=State.APPROVED, use_by=NOW + 1)).may_decide == ()


def test_a_void_vote_frees_the_seat() -> None:
    """Whoever's vote lost its ground may decide again."""
    assert "olga" in view(hold(votes=(Vote("olga", "approve", NOW, standing="void"),))).may_decide


def test_a_view_is_one_json_object() -> None:
    """Everything is there for a program to read, times as RFC 3339."""
    attempt = Attempt("att_1", "gate-0", "call_1", NOW, "finished", NOW, NOW, 200)
    full = replace(hold(), votes=(Vote("olga", "approve", NOW),), attempts=(attempt,), closed_at=NOW)
    told = json.loads(json.dumps(view(full).as_json()))
    assert told["id"] == full.id
    assert told["code"] == "9F2C-41"
    assert told["decide_by"] == "2026-09-21T14:28:20Z"
    assert told["use_by"] is None
    assert told["votes"][0]["person"] == "olga"
    assert told["attempts"][0]["status"] == 200
    assert told["needs"][0]["roles"] == ["owner", "deputy"]
