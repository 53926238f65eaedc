"""Who answers for an agent, and whether anyone does."""

from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Inventory, Person


@dataclass(frozen=True, slots=True)
class Standing:
    """`owner` is there only if the agent may call. Else `reason` is a stable code, and `detail` a sentence for it."""

    owner: Person | None
    reason: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.owner is not None


def standing(agent: Agent, inventory: Inventory, today: date) -> Standing:
    """Whether this agent may call today, and which one person is accountable for it.

    `expires` is the first day without access; `review_due` is the last day on which the review is not overdue.
    """
    if not agent.enabled:
        return _none(agent, "agent_disabled", "is disabled in the inventory")
    if agent.owner is None:
        return _none(agent, "agent_owner_missing", "has no owner, and without one none of its calls pass")
    owner = inventory.people.get(agent.owner)
    if owner is None:
        return _none(agent, "agent_owner_unknown", "has an owner whom the inventory does not know")
    if not owner.active:
        return _none(agent, "agent_owner_inactive", "has an owner who is no longer active; it needs a new one")
    if today >= agent.expires:
        return _none(agent, "agent_expired", f"expired on {agent.expires}")
    if today > agent.review_due:
        return _none(agent, "agent_review_overdue", f"was due for review by its owner on {agent.review_due}")
    return Standing(owner)


def _none(agent: Agent, reason: str, why: str) -> Standing:
    return Standing(None, reason, f"The agent `{agent.id}` {why}.")
