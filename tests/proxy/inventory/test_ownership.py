"""Who answers for an agent."""

from datetime import date

import pytest

from proxy.facts import Agent, Inventory, Person
from proxy.inventory.ownership import standing

TODAY = date(2026, 12, 1)
ALICE = Person(id="alice", name="Alice")
BOB = Person(id="bob", name="Bob", active=False)


def inventory(*agents: Agent) -> Inventory:
    people = {"alice": ALICE, "bob": BOB}
    return Inventory(
        version="v", people=people, teams={}, agents={one.id: one for one in agents}, services={}, datasets={}
    )


def agent(**changed) -> Agent:
    facts = {"id": "bot", "owner": "alice", "purpose": "p", "expires": date(2027, 1, 1), "review_due": date(2027, 1, 1)}
    return Agent(**(facts | changed))


def test_an_agent_in_good_standing_has_its_accountable_owner():
    """Owned, active, unexpired, reviewed: the owner is known and there is no reason against it."""
    found = standing(agent(), inventory(), TODAY)
    assert found.ok
    assert found.owner == ALICE
    assert (found.reason, found.detail) == ("", "")


@pytest.mark.parametrize(
    ("changed", "reason", "detail"),
    [
        ({"enabled": False}, "agent_disabled", "The agent `bot` is disabled in the inventory."),
        ({"owner": None}, "agent_owner_missing",
         "The agent `bot` has no owner, and without one none of its calls pass."),
        ({"owner": "carol"}, "agent_owner_unknown",
         "The agent `bot` has an owner whom the inventory does not know."),
        ({"owner": "bob"}, "agent_owner_inactive",
         "The agent `bot` has an owner who is no longer active; it needs a new one."),
        ({"expires": TODAY}, "agent_expired", "The agent `bot` expired on 2026-12-01."),
        ({"expires": date(2025, 1, 1)}, "agent_expired", "The agent `bot` expired on 2025-01-01."),
        ({"review_due": date(2026, 11, 30)}, "agent_review_overdue",
         "The agent `bot` was due for review by its owner on 2026-11-30."),
        ({"enabled": False, "owner": None}, "agent_disabled", "The agent `bot` is disabled in the inventory."),
    ],
)  # fmt: skip
def test_without_standing_there_is_a_reason_and_no_owner(changed, reason, detail):
    """Each way to lose standing has its own code and sentence, and gives nobody as owner."""
    found = standing(agent(**changed), inventory(), TODAY)
    assert not found.ok
    assert (found.owner, found.reason, found.detail) == (None, reason, detail)


def test_the_last_good_days():
    """The day before `expires`, and the day of `review_due` itself, are still good."""
    assert standing(agent(expires=date(2026, 12, 2), review_due=TODAY), inventory(), TODAY).ok


def test_a_deputy_or_technical_owner_is_no_substitute():
    """Accountability is the owner's alone: without one, others named on the agent change nothing."""
    assert standing(agent(owner=None, technical_owner="alice"), inventory(), TODAY).reason == "agent_owner_missing"
