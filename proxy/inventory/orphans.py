"""What has lost the person who answered for it: by leaving, or by being gone from the inventory."""

from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Inventory, accountable


@dataclass(frozen=True, slots=True)
class Orphan:
    """`what` is `agent:ID`, `process:ID`, `partner:ID`, `service:ID` or `dataset:ID`; `owner` is who left.

    `deputy` answers for it meanwhile; without one, an agent is refused, and nobody can sign for a service or dataset.
    """

    what: str
    owner: str
    deputy: str = ""

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
        return {
            "service": "nobody can sign as its owner",
            "dataset": "nobody can sign as its owner",
            "process": "agents may not act for it",
            "partner": "the agents that it hosts are refused",
        }.get(self.kind, "all its calls are refused")


def orphans(inventory: Inventory, today: date) -> tuple[Orphan, ...]:
    """Everything whose named owner is not an active person. An agent that never had one is not among them."""
    found = [orphan for agent in inventory.agents.values() for orphan in _of_agent(agent, inventory, today)]
    for kind, owners in (
        ("process", {one.id: one.owner for one in inventory.processes.values()}),
        ("partner", {one.id: one.owner for one in inventory.partners.values()}),
        ("service", {one.id: one.owner for one in inventory.services.values()}),
        ("dataset", {one.id: one.owner for one in inventory.datasets.values()}),
    ):
        found.extend(Orphan(f"{kind}:{name}", owner) for name, owner in owners.items() if not _active(owner, inventory))
    return tuple(found)


def _of_agent(agent: Agent, inventory: Inventory, today: date) -> list[Orphan]:
    """The agent; and where only owners of its instances left, the agent too, once for each who left."""
    named = [agent.owner, *(owner for each in agent.instances for owner in each.owners.values())]
    gone = [owner for owner in dict.fromkeys(named) if owner is not None and not _active(owner, inventory)]
    if not gone:
        return []
    stand_in = accountable(agent, inventory, today) if agent.owner in gone else None
    return [Orphan(f"agent:{agent.id}", owner, stand_in.id if stand_in else "") for owner in gone]


def _active(person: str, inventory: Inventory) -> bool:
    known = inventory.people.get(person)
    return known is not None and known.active
