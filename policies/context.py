"""The circumstances of a call that every policy can read, whatever the question.

Times are UTC. `weekday` counts from Monday, 1, to Sunday, 7. `chain` names the members of the delegation chain from
the root to the caller; `chain_depth` counts the hops between them. `chain_verified`: both parties of every hop have
shown themselves to us, and none of it rests on somebody else's word.

`auth_age` is how many seconds ago the person at the root signed in, as their own token says; absent where that is not
known, so that a rule has to ask for it (`context has auth_age`). `acr` and `amr` say how; empty where it is not known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from policies.model import Inquiry, Json, ServiceFacts, ToolFacts


@dataclass(frozen=True, slots=True)
class Circumstances:
    """A call beside what the catalogue knows of its destination."""

    inquiry: Inquiry
    service: ServiceFacts
    tool: ToolFacts | None
    moment: datetime


def circumstances(inquiry: Inquiry, service: ServiceFacts, tool: ToolFacts | None) -> Circumstances:
    """The circumstances of a call to this tool of this service (None when it is no tool's)."""
    return Circumstances(inquiry, service, tool, datetime.fromtimestamp(inquiry.now, UTC))


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of the context: its Cedar type, and its value. An optional one may be None, and is then absent."""

    cedar_type: str
    read: Callable[[Circumstances], Json]
    optional: bool = False


def entity(kind: str, name: str) -> Json:
    """A reference to an entity, in Cedar's JSON form."""
    return {"__entity": {"type": kind, "id": name}}


def _person(name: str | None) -> Json:
    return None if name is None else entity("Person", name)


def _age(inquiry: Inquiry) -> Json:
    return None if inquiry.auth_time is None else max(0, int(inquiry.now) - inquiry.auth_time)


def _instant(moment: datetime) -> Json:
    text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    return {"__extn": {"fn": "datetime", "arg": text}}


FIELDS: Mapping[str, Field] = {
    "agent": Field("Agent", lambda known: entity("Agent", known.inquiry.agent)),
    "on_behalf_of": Field("Person", lambda known: _person(known.inquiry.on_behalf_of), optional=True),
    "chain": Field("Set<String>", lambda known: list(known.inquiry.chain)),
    "chain_depth": Field("Long", lambda known: max(len(known.inquiry.chain) - 1, 0)),
    "chain_complete": Field("Bool", lambda known: known.inquiry.chain_complete),
    "chain_verified": Field("Bool", lambda known: known.inquiry.chain_verified),
    "auth_age": Field("Long", lambda known: _age(known.inquiry), optional=True),
    "acr": Field("String", lambda known: known.inquiry.acr),
    "amr": Field("Set<String>", lambda known: list(known.inquiry.amr)),
    "task": Field("String", lambda known: known.inquiry.task),
    "task_labels": Field("Set<String>", lambda known: list(known.inquiry.task_labels)),
    "service": Field("Service", lambda known: entity("Service", known.service.id)),
    "destination_class": Field("String", lambda known: known.service.trust),
    "tool": Field("String", lambda known: known.tool.name if known.tool else ""),
    "effect": Field("String", lambda known: known.tool.effect if known.tool else "unknown"),
    "tool_labels": Field("Set<String>", lambda known: list(known.tool.labels) if known.tool else []),
    "datasets": Field("Set<Dataset>", lambda known: [entity("Dataset", use.dataset) for use in known.inquiry.datasets]),
    "protocol": Field("String", lambda known: known.inquiry.protocol),
    "host": Field("String", lambda known: known.inquiry.host),
    "path": Field("String", lambda known: known.inquiry.path),
    "method": Field("String", lambda known: known.inquiry.method),
    "lifecycle": Field("Bool", lambda known: known.inquiry.lifecycle),
    "now": Field("__cedar::datetime", lambda known: _instant(known.moment)),
    "hour": Field("Long", lambda known: known.moment.hour),
    "weekday": Field("Long", lambda known: known.moment.isoweekday()),
}


def common_types() -> str:
    """The attributes and their types, as they stand in the schema of every action."""
    return ", ".join(f"{name}{'?' if field.optional else ''}: {field.cedar_type}" for name, field in FIELDS.items())


def fields(names: frozenset[str] | None) -> tuple[tuple[str, Field], ...]:
    """The named attributes; all of them, if None."""
    return tuple((name, field) for name, field in FIELDS.items() if names is None or name in names)


def context(known: Circumstances, wanted: tuple[tuple[str, Field], ...]) -> dict[str, Json]:
    """These attributes with their values, in Cedar's JSON form."""
    values: dict[str, Json] = {}
    for name, field in wanted:
        value = field.read(known)
        if value is not None:
            values[name] = value
    return values
