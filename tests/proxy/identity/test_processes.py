"""Business processes at the root of a chain."""

from datetime import date
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Inventory, Process
from proxy.identity.processes import process_scopes
from proxy.inventory.ownership import process_standing
from proxy.stages import Chain, Hop, Principal, Restraint
from tests.fakes.control_house import FAR, inventory

TODAY = date(2026, 11, 29)
NIGHTLY = Principal("business_process", "nightly")
BOT = Principal("agent", "support-bot")
CHAIN = Chain(NIGHTLY, (Hop(NIGHTLY, BOT, "verified", "jwt_svid", "sha256:e"),))


def facts(**changes: Any) -> Inventory:
    good: dict[str, Any] = {
        "id": "nightly", "owner": "bob", "purpose": "x", "trigger": "queue", "reference": "orders",
        "agents": ("support-bot",), "expires": FAR, "review_due": FAR,
    }  # fmt: skip
    return inventory().model_copy(update={"processes": {"nightly": Process(**(good | changes))}})


def scopes(chain: Chain, known: Inventory) -> list[str]:
    return list(process_scopes(chain, known, TODAY, process_standing, {}))


def test_a_process_that_stands_can_be_ended_and_so_can_its_owner() -> None:
    """By these scopes."""
    assert scopes(CHAIN, facts()) == ["process:nightly", "owner:bob"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"owner": "dave"}, "principal_inactive"),
        ({"enabled": False}, "principal_inactive"),
        ({"expires": TODAY}, "principal_inactive"),
        ({"review_due": date(2026, 1, 1)}, "principal_inactive"),
        ({"agents": ("builder",)}, "process_agent_refused"),
        ({"agents": ()}, "process_agent_refused"),
    ],
)
def test_a_process_that_does_not_stand_is_acted_for_by_nobody(changes: dict[str, Any], reason: str) -> None:
    """Without a living owner, disabled, over, overdue; and never by an agent that it does not list."""
    with pytest.raises(Refused, match=reason):
        scopes(CHAIN, facts(**changes))


def test_a_process_that_nobody_knows_or_judges_is_none() -> None:
    """Missing from the inventory, without anything that judges processes, or without an agent that acts for it."""
    with pytest.raises(Refused, match="principal_unknown"):
        scopes(CHAIN, inventory())
    with pytest.raises(Refused, match="principal_unknown"):
        list(process_scopes(CHAIN, facts(), TODAY, None, {}))
    with pytest.raises(Refused, match="principal_unknown"):
        scopes(Chain(Principal("agent", "nightly"), CHAIN.hops), facts())
    with pytest.raises(Refused, match="process_agent_refused"):
        scopes(Chain(NIGHTLY), facts())


def test_what_restrains_a_process_restrains_its_agents() -> None:
    """An overdue review that holds instead of refusing is told."""
    overdue = facts(review_due=date(2026, 1, 1))
    rules = overdue.rules.model_copy(update={"review_overdue": "hold"})
    found: dict[Restraint, None] = {}
    list(process_scopes(CHAIN, overdue.model_copy(update={"rules": rules}), TODAY, process_standing, found))
    assert [one.reason for one in found] == ["process_review_overdue"]
