"""The inventory's nouns. Frozen values; `proxy.inventory` reads them, everyone else only looks."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from proxy.names import identifier

type Id = Annotated[str, AfterValidator(identifier)]
type Trust = Literal["internal", "partner", "public"]
type Protocol = Literal["rest", "mcp"]
type Effect = Literal["read", "write", "delete", "execute", "communicate", "pay", "admin", "unknown"]


class Fact(BaseModel):
    """A frozen fact; an unknown field is a mistake, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Person(Fact):
    id: Id
    name: str
    email: str = ""
    teams: tuple[Id, ...] = ()
    active: bool = True


class Team(Fact):
    id: Id
    name: str = ""


class Subject(Fact):
    """An identity that a token issuer gives this agent: exact issuer and subject, never a bare subject."""

    issuer: str
    subject: str


class Deputy(Fact):
    person: Id
    start: date
    end: date


class Agent(Fact):
    """A non-human identity. Without `owner` it may be listed, but none of its calls pass."""

    id: Id
    owner: Id | None = None
    technical_owner: Id | None = None
    deputies: tuple[Deputy, ...] = ()
    team: Id | None = None
    purpose: str
    ticket: str = ""
    environment: str = "production"
    agent_class: Literal["utility", "privileged"] = "utility"
    labels: tuple[Id, ...] = ()
    expires: date
    review_due: date
    identities: tuple[Subject, ...] = ()
    enabled: bool = True


class Route(Fact):
    """`GET /v1/customers/{id}`: a method, and a path whose `{name}` segments become arguments."""

    method: str
    path: str


class Tool(Fact):
    """One named operation. REST tools have a route; MCP tools have only their name."""

    name: str
    route: Route | None = None
    effect: Effect = "unknown"
    description: str = ""
    input_schema: Mapping[str, JsonValue] | None = None
    labels: tuple[Id, ...] = ()


class Binding(Fact):
    """Which secret goes into which requests, and how. `secret` is a reference, never a value.

    `value` is a template with `{secret}`. An empty `methods` or `paths` matches nothing.
    """

    id: Id
    secret: str
    header: str = "Authorization"
    value: str = "Bearer {secret}"
    methods: tuple[str, ...]
    paths: tuple[str, ...]


class Service(Fact):
    """A destination: where it is, who answers for it, and what it offers."""

    id: Id
    owner: Id
    url: str
    protocol: Protocol = "rest"
    trust: Trust = "public"
    environment: str = "production"
    labels: tuple[Id, ...] = ()
    tools: tuple[Tool, ...] = ()
    openapi: str | None = None
    bindings: tuple[Binding, ...] = ()
    connect: str | None = None
    ca_bundle: str | None = None
    allow_private_addresses: bool = False
    allow_websocket: bool = False


class Selector(Fact):
    """How a dataset is recognised in a call. Every condition that is given must hold.

    `arguments` maps a dotted argument path to the exact value, or list of values, it must have.
    """

    service: Id
    tools: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    arguments: Mapping[str, JsonValue] = Field(default_factory=dict)
    access: Literal["read", "write"]


class Dataset(Fact):
    id: Id
    owner: Id
    sensitivity: Literal["public", "internal", "confidential", "restricted"] = "internal"
    labels: tuple[Id, ...] = ()
    selectors: tuple[Selector, ...] = ()


class Inventory(BaseModel):
    """One consistent snapshot, looked up by id. `version` is the SHA-256 of what was read."""

    model_config = ConfigDict(frozen=True)

    version: str
    people: Mapping[str, Person]
    teams: Mapping[str, Team]
    agents: Mapping[str, Agent]
    services: Mapping[str, Service]
    datasets: Mapping[str, Dataset]
