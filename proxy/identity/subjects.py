"""Which agent a subject is of, by the identities and the instance templates of the inventory; and its own keys."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.facts import Agent, Instances, Inventory, Subject
from proxy.identity.client_keys import client_keys
from proxy.stages import Principal, PrincipalKind

_PLACE = "{instance}"
_MARKS = "/:"
_KINDS: Mapping[str, PrincipalKind] = {"agent": "agent", "process": "business_process", "person": "human"}


@dataclass(frozen=True, slots=True)
class Match:
    """The agent, and which of its running copies where a template says so."""

    agent: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class _Template:
    """A template around its `{instance}`, of which the surroundings within the same part are `before` and `after`."""

    agent: str
    before: str
    after: str


class Subjects:
    """All subjects of one inventory, indexed once. A subject that two parties could be is neither's.

    What a partner hosts is only known by what that partner issues.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._exact: dict[tuple[str, str], set[str]] = {}
        self._templates: dict[tuple[str, str, str], list[_Template]] = {}
        self._clients: dict[tuple[str, str], str] = {}
        self._agents = inventory.agents
        self._keys: dict[str, frozenset[str]] = {}
        for identity, party in _identities(inventory):
            key = (identity.issuer, identity.subject)
            self._exact.setdefault(key, set()).add(party)
            if identity.client_id is not None:
                self._clients[key] = identity.client_id
        for agent in inventory.agents.values():
            for one in agent.instances:
                if _may_come_from(agent, one.issuer, inventory):
                    self._add(agent.id, one)

    def find(self, issuer: str, subject: str) -> Match | None:
        """The one agent that this subject is of; None if it is nobody's, or could be two parties'."""
        parties, instances = self._claims(issuer, subject)
        if len(parties) != 1 or len(instances) > 1:
            return None
        kind, _, name = next(iter(parties)).partition(":")
        return Match(name, next(iter(instances), "")) if kind == "agent" else None

    def party(self, issuer: str, subject: str) -> Principal | None:
        """The one party of any kind that this subject is of; None if it is nobody's, or could be two parties'."""
        parties, instances = self._claims(issuer, subject)
        if len(parties) != 1 or len(instances) > 1:
            return None
        kind, _, name = next(iter(parties)).partition(":")
        return Principal(_KINDS[kind], name)

    def client(self, issuer: str, subject: str) -> str | None:
        """The client that tokens with this subject must have been issued to; None if the inventory does not say."""
        return self._clients.get((issuer, subject))

    def keys_of(self, client: str) -> frozenset[str]:
        """The names of an agent's own keys, read once."""
        if client not in self._keys:
            agent = self._agents.get(client)
            self._keys[client] = frozenset() if agent is None else client_keys(client, agent.client_keys).names
        return self._keys[client]

    def claimed(self, issuer: str, subject: str) -> bool:
        """Whether anybody at all could be this subject."""
        return bool(self._claims(issuer, subject)[0])

    def _claims(self, issuer: str, subject: str) -> tuple[set[str], set[str]]:
        """The parties that this subject could be, and which running copies."""
        matching = list(self._matching(issuer, subject))
        parties = {f"agent:{agent}" for agent, _ in matching} | self._exact.get((issuer, subject), set())
        return parties, {instance for _, instance in matching}

    def _add(self, agent: str, instances: Instances) -> None:
        head, _, tail = instances.subject.partition(_PLACE)
        if instances.subject.count(_PLACE) != 1:
            return  # the inventory is refused for it; here it matches nothing
        start = max(head.rfind(mark) for mark in _MARKS) + 1
        end = min((at for mark in _MARKS if (at := tail.find(mark)) >= 0), default=len(tail))
        key = (instances.issuer, head[:start], tail[end:])
        self._templates.setdefault(key, []).append(_Template(agent, head[start:], tail[:end]))

    def _matching(self, issuer: str, subject: str) -> Iterator[tuple[str, str]]:
        """Agents with a template that fits, each part of the subject taken for the one with the instance in turn."""
        if not self._templates:
            return
        start = 0
        for at, letter in enumerate(f"{subject}/"):
            if letter not in _MARKS:
                continue
            part = subject[start:at]
            for one in self._templates.get((issuer, subject[:start], subject[at:]), ()):
                instance = part[len(one.before) : len(part) - len(one.after)]
                if instance and part == one.before + instance + one.after:
                    yield one.agent, instance
            start = at + 1


def _identities(inventory: Inventory) -> Iterator[tuple[Subject, str]]:
    """Every exact subject with whose it is. People and processes are among them, so that no agent shares theirs."""
    for agent in inventory.agents.values():
        for one in agent.identities:
            if _may_come_from(agent, one.issuer, inventory):
                yield one, f"agent:{agent.id}"
    for process in inventory.processes.values():
        for one in process.identities:
            yield one, f"process:{process.id}"
    for person in inventory.people.values():
        for one in person.identities:
            yield one, f"person:{person.id}"


def _may_come_from(agent: Agent, issuer: str, inventory: Inventory) -> bool:
    if agent.partner is None:
        return True
    partner = inventory.partners.get(agent.partner)
    return partner is not None and issuer in partner.issuers
