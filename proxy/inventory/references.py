"""Whatever one entry says of another must exist: people, teams, services, tools."""

import re
from collections.abc import Iterator, Mapping

from proxy.documents import nearest
from proxy.errors import Mistake
from proxy.facts import Agent, Dataset, Instances, Owned, Partner, Person, Process, Service
from proxy.inventory.read import Entry, Reading

_NAMES = {
    "people": "a person",
    "teams": "a team",
    "services": "a service",
    "agents": "an agent",
    "partners": "a partner",
}


def dangling(reading: Reading) -> Iterator[Mistake]:
    """Every reference to nothing, and every name that two entries cannot share.

    An agent's own `owner` is not among them: such an agent is listed, and refused when it calls.
    """
    for person in reading.people.values():
        yield from _person(reading, person)
    yield from _shared_emails(reading)
    for agent in reading.agents.values():
        yield from _agent(reading, agent)
    for process in reading.processes.values():
        yield from _process(reading, process)
    for partner in reading.partners.values():
        yield from _owner(reading, partner)
    yield from _shared_identities(reading)
    for service in reading.services.values():
        yield from _service(reading, service)
    for dataset in reading.datasets.values():
        yield from _dataset(reading, dataset)


def _missing(reading: Reading, entry: Entry, section: str, name: str | None, *inner: str | int) -> Iterator[Mistake]:
    known = reading.claimed[section]
    if name is not None and name not in known:
        yield entry.mistake(f"`{name}` is not {_NAMES[section]} in the inventory{nearest(name, known)}", *inner)


def _person(reading: Reading, entry: Entry[Person]) -> Iterator[Mistake]:
    for index, team in enumerate(entry.fact.teams):
        yield from _missing(reading, entry, "teams", team, "teams", index)
    for index, subject in enumerate(entry.fact.identities):
        if subject.client_id is not None:
            text = "is for agents and processes; a person signs in at many clients (`identity.issuers.actors`)"
            yield entry.mistake(text, "identities", index, "client_id")


def _shared_emails(reading: Reading) -> Iterator[Mistake]:
    """Two entries for one human could sign twice where two people are asked for."""
    seen: dict[str, Entry[Person]] = {}
    for entry in reading.people.values():
        email = entry.fact.email.casefold()
        if email and email in seen:
            other = seen[email]
            text = f"is also the address of `{other.fact.id}` ({other.place}); one human is one entry"
            yield entry.mistake(text, "email")
        seen.setdefault(email, entry)


def _agent(reading: Reading, entry: Entry[Agent]) -> Iterator[Mistake]:
    agent = entry.fact
    yield from _missing(reading, entry, "people", agent.technical_owner, "technical_owner")
    yield from _missing(reading, entry, "teams", agent.team, "team")
    yield from _missing(reading, entry, "partners", agent.partner, "partner")
    for index, person in enumerate(agent.escalation):
        yield from _missing(reading, entry, "people", person, "escalation", index)
    for index, instances in enumerate(agent.instances):
        yield from _instances(reading, entry, index, instances)
    if agent.partner in reading.partners:
        yield from _hosted(entry, reading.partners[agent.partner].fact)
    yield from _deputies(reading, entry)


def _owner[F: (Process, Partner, Service, Dataset)](reading: Reading, entry: Entry[F]) -> Iterator[Mistake]:
    yield from _missing(reading, entry, "people", entry.fact.owner, "owner")
    yield from _deputies(reading, entry)


def _deputies[F: Owned](reading: Reading, entry: Entry[F]) -> Iterator[Mistake]:
    for index, deputy in enumerate(entry.fact.deputies):
        yield from _missing(reading, entry, "people", deputy.person, "deputies", index, "person")
        if deputy.end < deputy.start:
            yield entry.mistake("is before `start`; a deputy is one from `start` to `end`", "deputies", index, "end")


def _instances(reading: Reading, entry: Entry[Agent], index: int, instances: Instances) -> Iterator[Mistake]:
    at = ("instances", index)
    if instances.subject.count("{instance}") != 1:
        yield entry.mistake("must hold `{instance}` once, where the subjects of the copies differ", *at, "subject")
    for name, owner in instances.owners.items():
        yield from _missing(reading, entry, "people", owner, *at, "owners", name)


def _hosted(entry: Entry[Agent], partner: Partner) -> Iterator[Mistake]:
    """What a partner hosts shows itself by what the partner issues, and by nothing else."""
    subjects: list[tuple[str, int, str]] = [
        *(("identities", index, one.issuer) for index, one in enumerate(entry.fact.identities)),
        *(("instances", index, one.issuer) for index, one in enumerate(entry.fact.instances)),
    ]
    for field, index, issuer in subjects:
        if issuer not in partner.issuers:
            text = f"is not among the issuers of the partner `{partner.id}`"
            yield entry.mistake(text, field, index, "issuer")


def _process(reading: Reading, entry: Entry[Process]) -> Iterator[Mistake]:
    yield from _owner(reading, entry)
    for index, agent in enumerate(entry.fact.agents):
        yield from _missing(reading, entry, "agents", agent, "agents", index)


def _service(reading: Reading, entry: Entry[Service]) -> Iterator[Mistake]:
    yield from _owner(reading, entry)
    yield from _missing(reading, entry, "agents", entry.fact.agent, "agent")
    for field in ("agent", "client_keys"):
        if getattr(entry.fact, field) and entry.fact.trust != "internal":
            yield entry.mistake("is for services of `trust: internal`; no other one is told of its calls", field)
    yield from _onward(reading, entry)


def _onward(reading: Reading, entry: Entry[Service]) -> Iterator[Mistake]:
    """Where the agent behind a service goes on to: tools that there are, for calls of tools that there are."""
    service = entry.fact
    if service.onward and service.agent is None:
        yield entry.mistake("says what the `agent` behind the service goes on to; name that agent", "onward")
    for called, tools in service.onward.items():
        if called != "*" and not _offers(service, called):
            text = f"`{called}` is not a tool of `{service.id}`; `*` stands for all of them"
            yield entry.mistake(text, "onward", called)
        for index, tool in enumerate(tools):
            name, slash, operation = tool.partition("/")
            other = reading.services.get(name)
            if not slash or other is None or not (operation == "*" or (operation and _offers(other.fact, operation))):
                text = f"`{tool}` is not a tool in the inventory: write `service/tool`, or `service/*`"
                yield entry.mistake(text, "onward", called, index)


def _offers(service: Service, tool: str) -> bool:
    """Whether it may have this tool: those of an OpenAPI document, and of an MCP service, are learnt elsewhere."""
    return service.openapi is not None or service.protocol == "mcp" or tool in {one.name for one in service.tools}


def _shared_identities(reading: Reading) -> Iterator[Mistake]:
    """A subject that two parties claim, people, agents or processes, would leave open who shows it."""
    seen: dict[tuple[str, str], Entry[Agent] | Entry[Person] | Entry[Process]] = {}
    parties: list[Entry[Agent] | Entry[Person] | Entry[Process]] = [
        *reading.agents.values(),
        *reading.people.values(),
        *reading.processes.values(),
    ]
    for entry in parties:
        for index, subject in enumerate(entry.fact.identities):
            key = (subject.issuer, subject.subject)
            if key in seen:
                other = seen[key]
                text = f"is already an identity of `{other.fact.id}` ({other.place}); one identity is one party"
                yield entry.mistake(text, "identities", index)
            seen.setdefault(key, entry)
    for agent in reading.agents.values():
        yield from _shared_with_copies(agent, seen)


def _shared_with_copies(agent: Entry[Agent], seen: Mapping[tuple[str, str], Entry]) -> Iterator[Mistake]:
    """Another party whose subject could be a copy of this agent: neither could ever show itself."""
    for index, instances in enumerate(agent.fact.instances):
        before, _, after = map(re.escape, instances.subject.partition("{instance}"))
        copy = re.compile(f"{before}[^/:]+{after}")
        for (issuer, subject), other in seen.items():
            if other is not agent and issuer == instances.issuer and copy.fullmatch(subject):
                text = f"would also be `{other.fact.id}` ({other.place}), as `{subject}`; one identity is one party"
                yield agent.mistake(text, "instances", index, "subject")


def _dataset(reading: Reading, entry: Entry[Dataset]) -> Iterator[Mistake]:
    yield from _owner(reading, entry)
    for index, selector in enumerate(entry.fact.selectors):
        yield from _missing(reading, entry, "services", selector.service, "selectors", index, "service")
        service = reading.services.get(selector.service)
        if service is not None:
            yield from _selected_tools(entry, service.fact, index, selector.tools)
        for position, path in enumerate(selector.paths):
            if not path.startswith("/"):
                yield entry.mistake("must start with `/`", "selectors", index, "paths", position)


def _selected_tools(entry: Entry[Dataset], service: Service, index: int, tools: tuple[str, ...]) -> Iterator[Mistake]:
    known = [tool.name for tool in service.tools]
    for position, name in enumerate(tools):
        if not service.may_have(name):
            text = f"`{name}` is not a tool of `{service.id}`{nearest(name, known)}"
            yield entry.mistake(text, "selectors", index, "tools", position)
