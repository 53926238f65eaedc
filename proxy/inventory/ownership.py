"""Who answers for an agent, a business process, a partner, a service or a dataset, and whether anyone does."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from proxy.facts import (
    Agent,
    Attestation,
    Dataset,
    Inventory,
    OwnershipRules,
    Partner,
    Person,
    Process,
    Service,
    accountable,
    owner_named,
)
from proxy.stages import Restraint

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """`owner` is there only if it may act. Else `reason` is a stable code, and `detail` a sentence for it.

    With `restraints`, no call of it passes without a person's word. `deputy_for` names the owner who left, and for
    whom `owner` stands in meanwhile.
    """

    owner: Person | None
    reason: str = ""
    detail: str = ""
    restraints: tuple[Restraint, ...] = ()
    deputy_for: str = ""

    @property
    def ok(self) -> bool:
        return self.owner is not None


@dataclass(frozen=True, slots=True)
class Review:
    """When the owner must have looked again. `due` None: no date counts, an attestation is needed now."""

    due: date | None
    attestation: Attestation | None = None


def standing(agent: Agent, inventory: Inventory, today: date, instance: str = "") -> Standing:
    """Whether this agent (or this instance of it) may call today, and which one person is accountable for it.

    `expires` is the first day without access; the review's date is the last day on which it is not overdue.
    """
    if not agent.enabled:
        return _none(agent, "agent_disabled", "is disabled in the inventory")
    named = owner_named(agent, instance)
    if named is None:
        return _none(agent, "agent_owner_missing", "has no owner, and without one none of its calls pass")
    owner = accountable(agent, inventory, today, instance)
    if owner is None and named not in inventory.people:
        return _none(agent, "agent_owner_unknown", "has an owner whom the inventory does not know")
    if owner is None:
        return _none(agent, "agent_owner_inactive", "has an owner who is no longer active; it needs a new one")
    if agent.partner is not None:
        partner = inventory.partners.get(agent.partner)
        if partner is None:
            return _none(agent, "partner_unknown", "is hosted by a partner whom the inventory does not know")
        hosted = partner_standing(partner, inventory, today)
        if not hosted.ok:
            return Standing(None, hosted.reason, hosted.detail)
    if today >= agent.expires:
        return _none(agent, "agent_expired", f"expired on {agent.expires}")
    return _reviewed(
        f"The agent `{agent.id}`",
        "agent",
        agent_review(agent, inventory),
        Standing(owner, deputy_for=named if owner.id != named else ""),
        inventory,
        today,
    )


def process_standing(process: Process, inventory: Inventory, today: date) -> Standing:
    """Whether agents may act for this business process today, and which one person is accountable for it."""
    words = f"The business process `{process.id}`"
    if not process.enabled:
        return Standing(None, "process_disabled", f"{words} is disabled in the inventory.")
    owner = accountable(process, inventory, today)
    if owner is None:
        return Standing(None, "process_owner_inactive", f"{words} has an owner who is no longer there.")
    if today >= process.expires:
        return Standing(None, "process_expired", f"{words} expired on {process.expires}.")
    held = Standing(owner, deputy_for=_stood_in_for(process, owner))
    return _reviewed(words, "process", process_review(process, inventory), held, inventory, today)


def partner_standing(partner: Partner, inventory: Inventory, today: date) -> Standing:
    """Whether agents that this partner hosts may call today, and who of us answers for the contract."""
    words = f"The partner `{partner.id}`"
    owner = accountable(partner, inventory, today)
    if owner is None:
        return Standing(None, "partner_owner_inactive", f"Nobody of ours answers for the contract of `{partner.id}`.")
    if today >= partner.ends:
        return Standing(None, "partner_contract_ended", f"{words} has a contract that ended before {partner.ends}.")
    return Standing(owner, deputy_for=_stood_in_for(partner, owner))


def answered_for(fact: Service | Dataset, inventory: Inventory, today: date) -> Standing:
    """Whether calls may reach this service or touch this dataset today, and who answers for it."""
    owner = accountable(fact, inventory, today)
    if owner is not None:
        return Standing(owner, deputy_for=_stood_in_for(fact, owner))
    kind = "service" if isinstance(fact, Service) else "dataset"
    detail = f"The {kind} `{fact.id}` has an owner who is no longer active; it needs a new one."
    return Standing(None, f"{kind}_owner_inactive", detail)


def agent_review(agent: Agent, inventory: Inventory) -> Review:
    """When this agent is due for review. Of a privileged one, only its owner's word for it as privileged counts."""
    said = inventory.attestations.get(f"agent:{agent.id}")
    if said is not None and (said.owner, said.agent_class) != (agent.owner, agent.agent_class):
        said = None  # another owner's word, or of another class
    days = interval_days(agent, inventory.rules)
    if agent.agent_class != "privileged":
        return Review(_due(agent.review_due, said, days), said)
    return Review(None if said is None else _due(date.min, said, days), said)


def process_review(process: Process, inventory: Inventory) -> Review:
    """When this business process is due for review."""
    said = inventory.attestations.get(f"process:{process.id}")
    if said is not None and said.owner != process.owner:
        said = None
    return Review(_due(process.review_due, said, interval_days(process, inventory.rules)), said)


def interval_days(fact: Agent | Process, rules: OwnershipRules) -> int:
    """How many days an attestation counts: what is written for it, or less where the rules say so."""
    privileged = isinstance(fact, Agent) and fact.agent_class == "privileged"
    bounds = [
        fact.review_interval_days,
        rules.privileged_review_days if privileged else None,
        rules.longest_review_days,
    ]
    return min(days for days in bounds if days is not None)


def overdue(inventory: Inventory, today: date) -> list[str]:
    """Every agent and business process whose review is overdue, as `agent:ID` and `process:ID`."""
    reviews = {
        **{f"agent:{one.id}": agent_review(one, inventory) for one in inventory.agents.values()},
        **{f"process:{one.id}": process_review(one, inventory) for one in inventory.processes.values()},
    }
    return [what for what, review in reviews.items() if review.due is None or today > review.due]


def _due(written: date, said: Attestation | None, days: int) -> date:
    if said is None:
        return written
    return max(written, datetime.fromtimestamp(said.at, UTC).date() + days * _DAY)


def _reviewed(words: str, kind: str, review: Review, held: Standing, inventory: Inventory, today: date) -> Standing:
    """This standing, if the review is in date; else refused, or held where the rules say so."""
    if review.due is None:
        return Standing(
            None, f"{kind}_unattested", f"{words} is privileged, and its owner has not attested it as privileged."
        )
    if today <= review.due:
        return held
    reason, detail = f"{kind}_review_overdue", f"{words} was due for review by its owner on {review.due}."
    if inventory.rules.review_overdue == "hold":
        since = datetime.combine(review.due + _DAY, time.min, UTC).timestamp()
        return Standing(held.owner, restraints=(Restraint(reason, detail, since),), deputy_for=held.deputy_for)
    return Standing(None, reason, detail)


def _stood_in_for(fact: Process | Partner | Service | Dataset, owner: Person) -> str:
    return fact.owner if owner.id != fact.owner else ""


def _none(agent: Agent, reason: str, why: str) -> Standing:
    return Standing(None, reason, f"The agent `{agent.id}` {why}.")
