"""Services, their tools, and the datasets behind them."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from proxy.facts.bindings import AnyBinding
from proxy.facts.common import Fact, Id
from proxy.facts.people import Deputy

type Trust = Literal["internal", "partner", "public"]
type Protocol = Literal["rest", "mcp"]
type Effect = Literal["read", "write", "delete", "execute", "communicate", "pay", "admin", "unknown"]


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


class Paths(Fact):
    """How a service reads paths, where that is not as everybody does.

    `encoded_slash: allowed` says that it takes `%2F` for a part of one segment (`/projects/group%2Fname`), and never
    for a separator; for one that decodes it first this would be a hole.
    """

    encoded_slash: Literal["refused", "allowed"] = "refused"


class Service(Fact):
    """A destination: where it is, who answers for it, and what it offers.

    `agent` is the agent that runs behind it: what the service is told of a call, that agent may go on with. `onward`
    says to which tools (`service/tool`, `service/*`), by the name of its own tool that was called, or `*` for all
    others; without it to none.
    `client_keys` are public keys (JWK) with which it may ask at the introspection endpoint, as `service:<id>`.
    `answer_seconds` is for how long its answers may take to begin, instead of `limits.answer_seconds`, and
    `silence_seconds` for how long nothing may come of one that has begun, instead of `limits.silence_seconds`.
    """

    id: Id
    owner: Id
    deputies: tuple[Deputy, ...] = ()
    url: str
    protocol: Protocol = "rest"
    trust: Trust = "public"
    environment: str = "production"
    labels: tuple[Id, ...] = ()
    tools: tuple[Tool, ...] = ()
    openapi: str | None = None
    bindings: tuple[AnyBinding, ...] = ()
    connect: str | None = None
    ca_bundle: str | None = None
    allow_private_addresses: bool = False
    allow_websocket: bool = False
    agent: Id | None = None
    onward: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    client_keys: tuple[Mapping[str, JsonValue], ...] = ()
    answer_seconds: int | None = Field(None, ge=1, le=86_400)
    silence_seconds: int | None = Field(None, ge=1, le=86_400)
    paths: Paths = Paths()

    def may_have(self, tool: str) -> bool:
        """False for a tool that it does not have. Those of an OpenAPI document, and those built into MCP
        (`resources/read`), are known to the catalogue alone."""
        elsewhere = self.openapi is not None or (self.protocol == "mcp" and "/" in tool)
        return elsewhere or any(one.name == tool for one in self.tools)

    @property
    def takes_slashes(self) -> bool:
        """Whether a segment of a path may hold an encoded slash."""
        return self.paths.encoded_slash == "allowed"


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
    deputies: tuple[Deputy, ...] = ()
    sensitivity: Literal["public", "internal", "confidential", "restricted"] = "internal"
    labels: tuple[Id, ...] = ()
    selectors: tuple[Selector, ...] = ()
