"""Who is asking, and what they may see and end. Pure rules; whatever is unknown is nobody's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from proxy.errors import Declined
from proxy.facts import Agent, Dataset, Inventory, Owned, Partner, Person, Process, Service, owner_named

type Channel = Literal["console", "api", "cli"]
type Assurance = Literal["session", "token", "local_operator"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, or without one the local operator. `proof` names the credential or the local user, for the record."""

    person: Person | None
    channel: Channel
    assurance: Assurance
    proof: str

    @property
    def is_operator(self) -> bool:
        return self.person is None and self.assurance == "local_operator"

    @property
    def name(self) -> str:
        """`person:alice` or `operator:uid=1000`: who is written down."""
        return f"person:{self.person.id}" if self.person else f"operator:{self.proof}"


@dataclass(frozen=True, slots=True)
class Named:
    """The agents of the handles and of the tasks that a question is about. What is not among them is nobody's.

    A task may be of several: of the one that it was begun for, and of every one that has a handle under it.
    """

    handles: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, frozenset[str]] = field(default_factory=dict)


NOTHING_NAMED = Named()


def signer(caller: Caller, *, operator_may_sign: bool) -> Person:
    """Who signs: a person who is here themselves; or one whom the operator names, where the settings allow that."""
    if caller.person is None:
        raise Declined(403, "person_required", "only a person can sign: say as whom, with `Countersign-As`")
    if caller.assurance == "local_operator" and not operator_may_sign:
        raise Declined(
            403,
            "operator_may_not_sign",
            "people sign for themselves, in the console or with a token of theirs; to let the operator do it in their "
            "name, set `control.operator_may_sign: true`",
        )
    return caller.person


def answers_for(person: Person, agent: Agent, now: float) -> bool:
    """True for the agent's owner, its technical owner, and deputies within their dates."""
    if not person.active:
        return False
    return person.id in (agent.owner, agent.technical_owner) or _is_deputy(person, agent, now)


def speaks_for(person: Person, fact: Process | Partner | Service | Dataset, now: float) -> bool:
    """True for its owner, and deputies within their dates."""
    return person.active and (person.id == fact.owner or _is_deputy(person, fact, now))


def _owns_copy(person: Person, agent: Agent | None, copy: str) -> bool:
    return agent is not None and person.active and owner_named(agent, copy) == person.id


def _is_deputy(person: Person, fact: Owned, now: float) -> bool:
    if not fact.deputies:  # as with most, of thousands that a page asks about
        return False
    today = datetime.fromtimestamp(now, UTC).date()
    return any(deputy.person == person.id and deputy.start <= today <= deputy.end for deputy in fact.deputies)


def may_see_agent(caller: Caller, agent_id: str, inventory: Inventory, auditors: frozenset[str], now: float) -> bool:
    """May they read this agent's calls, holds and handles? An agent that is gone is for auditors and operators."""
    if caller.is_operator:
        return True
    if caller.person is None or not caller.person.active:
        return False
    if auditors & set(caller.person.teams):
        return True
    agent = inventory.agents.get(agent_id)
    return agent is not None and answers_for(caller.person, agent, now)


def seen_agents(
    caller: Caller, asked: str | None, inventory: Inventory, auditors: frozenset[str], now: float
) -> list[str] | None:
    """Of which agents this caller may see anything, of all or of the one that is asked for.

    None: of all there ever were, also those that are gone.
    """
    if asked is not None:
        return [asked] if may_see_agent(caller, asked, inventory, auditors, now) else []
    if may_see_agent(caller, "", inventory, auditors, now):  # no agent is called so: it is gone
        return None
    return [name for name in inventory.agents if may_see_agent(caller, name, inventory, auditors, now)]


def may_end(caller: Caller, scope: str, inventory: Inventory, named: Named, now: float) -> bool:
    """May they end, or lift the end of, this scope? An owner: what is theirs, and what is of that alone."""
    if caller.is_operator:
        return True
    if caller.person is None:
        return False
    kind, _, name = scope.partition(":")
    match kind:
        case "process":
            process = inventory.processes.get(name)
            return process is not None and speaks_for(caller.person, process, now)
        case "agent":
            agents = {name}
        case "instance":
            agent, _, copy = name.partition("/")
            if _owns_copy(caller.person, inventory.agents.get(agent), copy):
                return True
            agents = {agent}
        case "task":
            agents = set(named.tasks.get(name, ()))
        case "handle":
            agents = {named.handles[name]} if name in named.handles else set()
        case _:
            return False
    known = [inventory.agents.get(agent) for agent in agents]
    return bool(known) and all(agent is not None and answers_for(caller.person, agent, now) for agent in known)
