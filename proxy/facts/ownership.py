"""What people have said of who answers for what, and by which rules that is judged."""

from collections.abc import Mapping
from datetime import date
from typing import Literal, Protocol

from pydantic import Field

from proxy.facts.agents import Agent, Partner, Process
from proxy.facts.common import Fact, Id
from proxy.facts.people import Person
from proxy.facts.services import Dataset, Service

type WhenOwnerLeaves = Literal["refuse", "deputy"]
type WhenOverdue = Literal["refuse", "hold"]
type Owned = Agent | Process | Partner | Service | Dataset
type Source = Literal["operator", "scim"]


class OwnershipRules(Fact):
    """How ownership is judged. Every default is the strictest.

    `privileged_*` are the most that an agent of class `privileged` may have: seconds of a handle, of a task token
    and of a task, and days between two reviews. `longest_review_days` is the most of those for everything; no date in
    the files may be further away.
    """

    when_owner_leaves: WhenOwnerLeaves = "refuse"
    review_overdue: WhenOverdue = "refuse"
    deputies_attest: bool = False
    privileged_handle_seconds: int = 900
    privileged_token_seconds: int = 300
    privileged_task_seconds: int = 3600
    privileged_review_days: int = 30
    longest_review_days: int | None = None


class Attestation(Fact):
    """A person's word that this is still needed, and still as it was shown to them.

    It holds for one owner and one class (empty for a process): with another owner, or as another class, it says
    nothing. `digest` is that of the facts that were shown. `person` is the owner, or the deputy who attested for them.
    """

    id: str
    what: str
    owner: Id
    agent_class: str = ""
    digest: str
    person: Id
    at: float
    note: str = ""


class PersonState(Fact):
    """Whether one source deactivated a person after the files were written. All of them, and the files, must agree
    that somebody is active: none of them activates whom another does not.
    """

    person: Id
    source: Source
    active: bool
    at: float
    by: str
    reason: str = ""


class InForce(Protocol):
    """What of an inventory it takes to find out who is accountable."""

    @property
    def people(self) -> Mapping[str, Person]: ...
    @property
    def rules(self) -> OwnershipRules: ...


def owner_named(agent: Agent, instance: str = "") -> str | None:
    """Whom the inventory names as accountable for this agent, or for this instance of it where that differs."""
    named = {owner for each in agent.instances for name, owner in each.owners.items() if instance and name == instance}
    # two templates that name different people for one instance leave open who it is: then nobody
    return agent.owner if not named else named.pop() if len(named) == 1 else None


def accountable(fact: Owned, inventory: InForce, today: date, instance: str = "") -> Person | None:
    """The one person who answers for this today: its owner; or, if configured, the deputy of one who left."""
    named = owner_named(fact, instance) if isinstance(fact, Agent) else fact.owner
    owner = inventory.people.get(named) if named is not None else None
    if owner is not None and owner.active:
        return owner
    if named is None or inventory.rules.when_owner_leaves != "deputy":
        return None
    for deputy in fact.deputies:
        person = inventory.people.get(deputy.person)
        if deputy.start <= today <= deputy.end and person is not None and person.active:
            return person
    return None


class Held(Fact):
    """What the store holds on top of the files: the last attestation of each thing, and who was deactivated."""

    attestations: Mapping[str, Attestation] = Field(default_factory=dict)
    deactivated: frozenset[str] = frozenset()
