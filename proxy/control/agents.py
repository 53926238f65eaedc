"""The agents that one caller may see, with who answers for them and how they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice

from proxy.control.callers import NOTHING_NAMED, Caller, may_see_agent
from proxy.control.needs import ControlDeps
from proxy.control.reach import ends_today
from proxy.control.responders import Levers
from proxy.errors import Declined
from proxy.facts import Agent, Inventory, Person
from proxy.inventory.ownership import agent_review, standing
from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import Revocation


@dataclass(frozen=True, slots=True)
class AgentCard:
    """One agent. `standing` is empty, or a code for why none of its calls pass; `may_end`: by this caller.

    `ended` is what ends or freezes it: the widest end, or without one the widest freeze. `deputy` answers for it in
    the stead of an owner who left; `restraint` says why its calls wait for a person; `due` None means that it must be
    attested now.
    """

    agent: Agent
    owner: Person | None
    standing: str
    detail: str
    deputy: str
    restraint: str
    due: date | None
    ended: Revocation | None
    may_end: bool
    may_freeze: bool
    may_lift: bool


@dataclass(frozen=True, slots=True)
class _Moment:
    """What all cards of one list are judged by, looked up once."""

    inventory: Inventory
    today: date
    epochs: Epochs
    levers: Levers


class AgentDesk:
    """Reads the inventory for one caller."""

    def __init__(self, caller: Caller, deps: ControlDeps) -> None:
        self._caller = caller
        self._deps = deps

    def list(self, *, after: str = "", limit: int | None = None) -> list[AgentCard]:
        """The agents that this caller may see, by id; those after this id, and no more than so many."""
        agents, moment = self._deps.inventory().agents, self._moment()
        seen = (agent for name, agent in sorted(agents.items()) if name > after and self._sees(name))
        return [self._card(agent, moment) for agent in islice(seen, limit)]

    def ids(self) -> Sequence[str]:
        """The ids of all agents that this caller may see."""
        return [name for name in sorted(self._deps.inventory().agents) if self._sees(name)]

    def get(self, agent_id: str) -> AgentCard:
        """This agent. Unknown and not visible are the same answer."""
        agent = self._deps.inventory().agents.get(agent_id)
        if agent is None or not self._sees(agent_id):
            raise Declined(404, "agent_unknown", "there is no such agent, or it is not yours to see")
        return self._card(agent, self._moment())

    def names(self) -> dict[str, str]:
        """Everyone's name by id: people judge names, not ids."""
        return {person.id: person.name for person in self._deps.inventory().people.values()}

    def _moment(self) -> _Moment:
        now, inventory = self._deps.clock(), self._deps.inventory()
        return _Moment(
            inventory=inventory,
            today=datetime.fromtimestamp(now, UTC).date(),
            epochs=self._deps.revocations.epochs,
            levers=Levers(self._caller, inventory, NOTHING_NAMED, self._deps.responders, now),
        )

    def _card(self, agent: Agent, moment: _Moment) -> AgentCard:
        inventory, levers = moment.inventory, moment.levers
        owner = inventory.people.get(agent.owner) if agent.owner else None
        found = standing(agent, inventory, moment.today)
        scopes = ends_today(agent, inventory, moment.today)
        rows = [row for scope in scopes for row in moment.epochs.standing(scope)]
        ended = next((row for row in rows if row.kind == "revoke"), rows[0] if rows else None)
        frozen = ended is not None and ended.kind == "freeze"
        scope = f"agent:{agent.id}"
        return AgentCard(
            agent=agent,
            owner=owner,
            standing=found.reason if ended is None else "frozen" if frozen else "ended",
            detail=found.detail if ended is None else "",
            deputy=found.owner.id if found.deputy_for and found.owner is not None else "",
            restraint=found.restraints[0].text if found.restraints else "",
            due=agent_review(agent, inventory).due,
            ended=ended,
            may_end=levers.end(scope) and (ended is None or frozen),
            may_freeze=levers.end(scope) and ended is None,
            may_lift=ended is not None and ended.scope == scope and levers.lift(ended),
        )

    def _sees(self, agent_id: str) -> bool:
        return may_see_agent(self._caller, agent_id, self._deps.inventory(), self._deps.auditors, self._deps.clock())
