"""What has lost the person who answered for it: by leaving, or by being gone from the inventory."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Dataset, Inventory, Owned, Partner, Process, Service, accountable


@dataclass(frozen=True, slots=True)
class Orphan:
    """`what` is `agent:ID`, `process:ID`, `partner:ID`, `service:ID` or `dataset:ID`; `owner` is who left.

    `deputy` answers for it meanwhile; without one, nothing of it passes.
    `copies`: of an agent, only instances that have this owner of their own.
    """

    what: str
    owner: str
    deputy: str = ""
    copies: bool = False

    @property
    def kind(self) -> str:
        return self.what.partition(":")[0]

    @property
    def name(self) -> str:
        return self.what.partition(":")[2]

    @property
    def follows(self) -> str:
        """What follows from it, in a few words."""
        if self.deputy:
            return f"`{self.deputy}` answers for it meanwhile"
        if self.copies:
            return "calls of those of its instances that are theirs are refused"
        return {
            "service": "all calls to it are refused",
            "dataset": "all calls that touch it are refused",
            "process": "agents may not act for it",
            "partner": "the agents that it hosts are refused",
        }.get(self.kind, "all its calls are refused")


def orphans(inventory: Inventory, today: date) -> tuple[Orphan, ...]:
    """Everything whose named owner is not an active person. An agent that never had one is not among them."""
    found = [orphan for agent in inventory.agents.values() for orphan in _of_agent(agent, inventory, today)]
    others: tuple[tuple[str, Iterable[Process | Partner | Service | Dataset]], ...] = (
        ("process", inventory.processes.values()),
        ("partner", inventory.partners.values()),
        ("service", inventory.services.values()),
        ("dataset", inventory.datasets.values()),
    )
    for kind, facts in others:
        left = (one for one in facts if not _active(one.owner, inventory))
        found.extend(Orphan(f"{kind}:{one.id}", one.owner, _deputy(one, inventory, today)) for one in left)
    return tuple(found)


def stand_ins(inventory: Inventory, today: date) -> dict[str, str]:
    """The deputies who answer today in the stead of owners who left, by what they answer for."""
    return {one.what: one.deputy for one in orphans(inventory, today) if one.deputy and not one.copies}


def _of_agent(agent: Agent, inventory: Inventory, today: date) -> list[Orphan]:
    """The agent; and where only owners of its instances left, the agent too, once for each who left."""
    found = []
    if agent.owner is not None and not _active(agent.owner, inventory):
        found.append(Orphan(f"agent:{agent.id}", agent.owner, _deputy(agent, inventory, today)))
    copies = {owner: name for each in agent.instances for name, owner in each.owners.items() if owner != agent.owner}
    for owner, instance in copies.items():
        if not _active(owner, inventory):
            deputy = _deputy(agent, inventory, today, instance)
            found.append(Orphan(f"agent:{agent.id}", owner, deputy, copies=True))
    return found


def _deputy(fact: Owned, inventory: Inventory, today: date, instance: str = "") -> str:
    deputy = accountable(fact, inventory, today, instance)
    return deputy.id if deputy else ""


def _active(person: str, inventory: Inventory) -> bool:
    known = inventory.people.get(person)
    return known is not None and known.active
