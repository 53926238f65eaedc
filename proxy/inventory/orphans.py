"""What has lost the person who answered for it: by leaving, or by being gone from the inventory."""

from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Inventory, accountable


@dataclass(frozen=True, slots=True)
class Orphan:
    """`what` is `agent:ID`, `process:ID`, `partner:ID`, `service:ID` or `dataset:ID`; `owner` is who left.

    `deputy` answers for it meanwhile; without one, an agent is refused, and nobody can sign for a service or dataset.
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
    found = []
    if agent.owner is not None and not _active(agent.owner, inventory):
        deputy = accountable(agent, inventory, today)
        found.append(Orphan(f"agent:{agent.id}", agent.owner, deputy.id if deputy else ""))
    copies = {owner: name for each in agent.instances for name, owner in each.owners.items() if owner != agent.owner}
    for owner, instance in copies.items():
        if not _active(owner, inventory):
            deputy = accountable(agent, inventory, today, instance)
            found.append(Orphan(f"agent:{agent.id}", owner, deputy.id if deputy else "", copies=True))
    return found


def _active(person: str, inventory: Inventory) -> bool:
    known = inventory.people.get(person)
    return known is not None and known.active
