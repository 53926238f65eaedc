"""The words of a decision: what is asked, what is known, what is answered. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None
type Access = Literal["read", "write"]


class Outcome(StrEnum):
    """What may happen to a call. Strictest wins: deny, then hold, then allow."""

    ALLOW = "allow"
    HOLD = "hold"
    DENY = "deny"


class Mode(StrEnum):
    """Whether a policy set is enforced, or only recorded."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


# --- what is known: the inventory, as policies see it -------------------------------------


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """`left`: inactive, but only since the inventory was written."""

    id: str
    teams: tuple[str, ...] = ()
    active: bool = True
    left: bool = False


@dataclass(frozen=True, slots=True)
class AgentFacts:
    id: str
    owner: str
    team: str = ""
    environment: str = ""
    agent_class: str = "utility"
    labels: tuple[str, ...] = ()
    trust_zone: str = ""
    partner: str = ""


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """One named operation. `input_schema` is JSON Schema; None means arguments stay untyped."""

    name: str
    effect: str = "unknown"
    input_schema: Mapping[str, Json] | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    id: str
    owner: str
    trust: str = "public"
    environment: str = ""
    labels: tuple[str, ...] = ()
    tools: tuple[ToolFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    id: str
    owner: str
    sensitivity: str = "internal"
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything the schema and the entities are generated from. `version` changes with any fact."""

    version: str
    people: tuple[PersonFacts, ...] = ()
    agents: tuple[AgentFacts, ...] = ()
    services: tuple[ServiceFacts, ...] = ()
    datasets: tuple[DatasetFacts, ...] = ()
    teams: tuple[str, ...] = ()


# --- what is asked --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DatasetUse:
    dataset: str
    access: Access


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One call, as policy sees it. `tool` None means that the API question is asked instead.

    `lifecycle` marks protocol housekeeping (MCP initialize, ping, tools/list): one question,
    `Action::"connect"`, whatever the method. `auth_time`, `acr` and `amr` are of the sign-in of the person at the root;
    nothing where it is not known.
    """

    agent: str
    service: str
    tool: str | None
    method: str
    path: str
    host: str
    protocol: str
    arguments: Mapping[str, Json]
    datasets: tuple[DatasetUse, ...] = ()
    lifecycle: bool = False
    on_behalf_of: str | None = None
    chain: tuple[str, ...] = ()
    chain_complete: bool = True
    chain_verified: bool = False
    auth_time: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    task: str = ""
    task_labels: tuple[str, ...] = ()
    now: float = 0.0


# --- what is answered -------------------------------------------------------------------------


OBSERVED = "observed"
"""The code of a rule that only watches, and would have refused."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why. `code` is stable and public; `rule` is the policy's @id; `text` never reaches an agent."""

    code: str
    rule: str = ""
    text: str = ""
    question: str = ""


@dataclass(frozen=True, slots=True)
class Clause:
    """`at_least` distinct people out of `roles`.

    A role is `owner`, `technical_owner`, `deputy`, `service_owner`, `dataset_owner`,
    `team:<id>` or `person:<id>`.
    """

    roles: tuple[str, ...]
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a hold needs before it may be released: every clause, by distinct people."""

    clauses: tuple[Clause, ...]
    decide_within: int
    use_within: int
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    rollback: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer. `would` is what enforcement would have said; it differs only in observe mode."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    policy_version: str
    requirement: Requirement | None = None
    mode: Mode = Mode.ENFORCE
    would: Outcome = Outcome.DENY
    duration_us: int = 0
    obligations: Mapping[str, Json] = field(default_factory=dict)
