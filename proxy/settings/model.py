"""Every setting, with its safe default and the sentence that explains it.

The commented example that `countersign init` writes is made from these descriptions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from policies.model import Mode
from proxy.downstream.profile import trust_domain
from proxy.facts import Id, WhenOverdue, WhenOwnerLeaves
from proxy.inventory.addresses import is_loopback, parse_host_port
from proxy.settings.group import Group
from proxy.settings.signals import Signals
from proxy.settings.values import Reference, Url
from proxy.settings.workloads import Cluster, TrustedDomain

_ORIGIN = re.compile(r"[A-Za-z0-9._~/-]{1,200}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 takes a free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(text: object) -> Address:
    if isinstance(text, Address):
        return text
    return Address(*parse_host_port(text if isinstance(text, str) else "", lowest_port=0))


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("must be 1 to 200 letters, digits or `. _ ~ / -`, such as gov.example.com/audit")
    return text


def _own_name(text: str) -> str:
    parse_host_port(f"[{text}]:1" if ":" in text else f"{text}:1")
    return text


type OwnName = Annotated[str, AfterValidator(_own_name)]
type Listening = Annotated[Address, BeforeValidator(_address)]
type Section = Literal["people", "teams", "agents", "services", "datasets", "processes", "partners"]
type TrustDomain = Annotated[str, AfterValidator(trust_domain)]


class Listen(Group):
    proxy: Listening = Field(Address("127.0.0.1", 8080), description="Agents' HTTPS_PROXY and HTTP_PROXY.")
    gateway: Listening | None = Field(
        Address("127.0.0.1", 8081),
        description="Base URL for agents that take one: http://HOST:PORT/SERVICE. Empty: no gateway.",
    )
    control: Listening = Field(Address("127.0.0.1", 8082), description="The control API and the console.")
    proxy_tls: Listening | None = Field(
        None,
        description="The proxy again, with TLS to itself (HTTPS_PROXY=https://...). A client certificate is asked for, "
        "and can prove an agent. Empty: none.",
    )
    gateway_tls: Listening | None = Field(None, description="The gateway again, with TLS. Empty: none.")
    tls_names: tuple[OwnName, ...] = Field(
        ("localhost", "127.0.0.1"),
        description="What clients call us there: for the certificate that our own authority makes, which agents trust.",
    )
    certificate_file: Path | None = Field(
        None, description="Your own certificate for that instead, PEM with its chain, read again when it changes; with:"
    )
    key_file: Path | None = Field(None, description="Its private key, PEM.")
    local: Path | None = Field(
        None,
        description="The proxy again, at a UNIX socket, such as /run/countersign/proxy.sock. Every user who may enter "
        "its folder may connect, and is known by uid; only you may write there. Empty: none.",
    )
    http2: bool = Field(
        default=False,
        description="Let agents choose HTTP/2 inside the proxy's tunnels. Services are called over HTTP/1.1.",
    )


class Control(Group):
    public_url: Url | None = Field(
        None, description="How people reach the console, for links. Empty: the address it listens on."
    )
    auditors: tuple[str, ...] = Field(
        (), description="Teams whose people see every agent's calls and holds, such as the SOC. They end nothing."
    )
    responders: tuple[str, ...] = Field(
        (),
        description="Teams whose people may end or freeze anything in an incident, and bring back only what they "
        "themselves ended.",
    )
    scim_token: Reference | None = Field(
        None,
        description="The bearer token with which your identity provider deactivates people by SCIM 2.0 (/scim/v2), "
        "by reference: `env:SCIM_TOKEN`. Empty: there is no SCIM endpoint.",
    )
    operator_may_sign: bool = Field(
        default=False,
        description="Whether the operator votes and attests in the name of people (`--as`), as if it were their word. "
        "Handy on your own machine; left out, people sign for themselves alone.",
    )


class Actors(Group):
    """Who may act for people whose token was issued to one client, such as the application where they sign in."""

    client_id: str = Field(description="The exact `client_id` of their tokens.")
    agents: tuple[str, ...] = Field(description="Agents of the inventory.")


class Issuer(Group):
    """Whose tokens prove an agent's identity, and how they are checked."""

    issuer: str = Field(description="The exact `iss` of its tokens.")
    audience: str = Field(description="The exact `aud` that a token for us has.")
    algorithms: tuple[str, ...] = Field(("ES256",), description="One or two; never taken from the token.")
    typ: str = Field("at+jwt", description="The exact `typ` of its tokens, without `application/`.")
    jwks_file: Path | None = Field(None, description="Its keys, from a file; or else:")
    jwks_url: str | None = Field(None, description="Its keys, from a URL.")
    ca_bundle: Path | None = Field(None, description="PEM bundle that this URL is verified with.")
    max_lifetime_seconds: int = Field(3600, description="Tokens that live longer are refused.")
    leeway_seconds: int = Field(30, description="How far its clock may differ from ours.")
    extra_audiences: Literal[0, 1] = Field(0, description="How many other audiences a token may have.")
    subject_format: Literal["opaque", "spiffe"] = Field("opaque", description="What its `sub` looks like.")
    key_use: Literal["sig", "jwt-svid"] = Field("sig", description="The `use` of its keys.")
    endorses: tuple[str, ...] = Field(
        (),
        description="Issuers of actors of which it may tell in a subject token (`act`). Empty: that is refused.",
    )
    actors: tuple[Actors, ...] = Field(
        (),
        description="Agents that may act for people by a token without `may_act`, by the client that it was issued to "
        "(`{client_id: workbench, agents: [support-bot]}`). The agent that is that client itself always may.",
    )
    unsafe_any_actor: bool = Field(
        default=False, description="Every agent that holds a person's token may act for them, whichever client got it."
    )
    subject_uses: int = Field(
        1,
        description="How many tasks may begin with one token of a person or a process, at most 32. Each has its own "
        "budget; what is begun below a task shares its budget, and is not counted.",
    )


class Identity(Group):
    issuers: tuple[Issuer, ...] = Field(
        (), description="Issuers whose tokens prove agents, beside the connection handles that we issue. One looks so:"
    )
    trust_domains: tuple[TrustedDomain, ...] = Field(
        (), description="SPIFFE trust domains whose workloads prove themselves by JWT- and X.509-SVIDs. One looks so:"
    )
    kubernetes: tuple[Cluster, ...] = Field(
        (), description="Clusters whose service-account tokens prove agents. One looks so:"
    )
    peer_seconds: int = Field(
        3600,
        ge=60,
        le=86_400,
        description="How long the user at the other end of a UNIX socket counts before it must connect again.",
    )
    token_issuer: Url | None = Field(
        None,
        description="Our identifier as authorization server: the https URL under which agents reach the control API. "
        "Empty: there is no token endpoint.",
    )
    handle_ttl_seconds: int = Field(
        3600, ge=60, le=28_800, description="How long a connection handle lives, if nothing else is asked for."
    )


class Privileged(Group):
    handle_seconds: int = Field(900, ge=60, le=28_800, description="A connection handle lives at most this long.")
    task_token_seconds: int = Field(300, ge=30, le=900, description="A task token lives at most this long.")
    task_seconds: int = Field(3600, ge=60, le=86_400, description="A task runs at most this long.")
    review_days: int = Field(
        30, ge=1, le=366, description="Its owner attests it at least this often; a date in the file does not count."
    )


class Ownership(Group):
    when_owner_leaves: WhenOwnerLeaves = Field(
        "refuse",
        description="What an owner who left owned (agents, processes, services, datasets, partners) is refused "
        "(`refuse`), or answered for by the first `deputy` of it who is within dates.",
    )
    review_overdue: WhenOverdue = Field(
        "refuse",
        description="Without its review in time, every call of an agent is refused (`refuse`), or waits for a person "
        "(`hold`). After its expiry it is always refused.",
    )
    deputies_attest: bool = Field(
        default=False, description="Let deputies within their dates attest in their owner's stead."
    )
    longest_review_days: int | None = Field(
        None,
        ge=1,
        le=366,
        description="The longest that anything goes without a review, whatever its `review_interval_days`; a "
        "`review_due` further away is then a mistake.",
    )
    privileged: Privileged = Field(Privileged(), description="What agents of class `privileged` may have at most.")


class InventorySource(Group):
    """Where an organisation keeps a part of the inventory, if not in files: one JSON document of the same sections."""

    id: Id = Field(description="Its name. What it last said is kept under the state directory.")
    file: Path | None = Field(None, description="It is read from this file; or else:")
    url: Url | None = Field(None, description="from this URL. Neither: `PUT /v1/inventory/ID` brings it.")
    ca_bundle: Path | None = Field(None, description="PEM bundle that this URL is verified with.")
    token: Reference | None = Field(None, description="A bearer token for this URL, by reference: `env:CMDB_TOKEN`.")
    every_seconds: int = Field(60, ge=1, le=86_400, description="How often we look.")
    silent_after_seconds: int | None = Field(
        None,
        ge=1,
        le=31 * 86_400,
        description="An alarm if nothing usable came for so long (a file: was written). Empty: an hour or ten looks; "
        "if it is brought, never.",
    )
    sections: tuple[Section, ...] = Field(
        ("people", "teams", "agents", "processes", "partners"),
        description="What it may speak of. `services` decide where secrets go: name them only if you trust it so far.",
    )


class Limits(Group):
    body_bytes: int = Field(
        1 << 20, ge=1024, le=64 << 20, description="A larger request is refused (413), since it cannot be inspected."
    )
    header_bytes: int = Field(65_536, ge=4096, le=1 << 20, description="All headers of one request.")
    header_count: int = Field(200, ge=10, le=2000, description="Headers of one request.")
    websocket_message_bytes: int = Field(1 << 20, ge=1024, le=64 << 20, description="One WebSocket message.")
    connections: int = Field(
        10_000, ge=1, le=1_000_000, description="Agents' connections at one time; none has them all."
    )
    idle_seconds: int = Field(300, ge=1, le=86_400, description="A connection without traffic is closed after this.")
    connect_seconds: int = Field(10, ge=1, le=120, description="Patience for an upstream to accept a connection.")
    answer_seconds: int = Field(
        600,
        ge=1,
        le=86_400,
        description="Patience for an upstream to begin its answer (504 after that); a service may have its own.",
    )
    silence_seconds: int = Field(
        900,
        ge=1,
        le=86_400,
        description="An answer that has begun is cut when nothing more comes, or is taken, for so long; so is a "
        "WebSocket on which nothing passes, not even a ping. A service may have its own.",
    )
    task_idle_seconds: int = Field(
        3600,
        ge=60,
        le=86_400,
        description="A task under which nothing is asked for so long is completed, unless it waits for sign-off.",
    )


class Holds(Group):
    inline_wait_seconds: int = Field(
        4, ge=0, le=50, description="A held call waits this long for its sign-off before it is parked."
    )
    longest_inline_wait_seconds: int = Field(
        50, ge=0, le=50, description="The most that a client may ask for with `Prefer: wait=N`."
    )
    open_per_agent: int = Field(10, ge=1, le=10_000, description="Undecided holds of one agent; more are refused.")
    new_per_minute: int = Field(6, ge=1, le=10_000, description="New holds of one agent in a minute; more are refused.")


class Audit(Group):
    origin: Annotated[str, AfterValidator(_origin)] = Field(
        "countersign.local/audit",
        description="The audit log's name, in every signed checkpoint. Make it your own before the first start.",
    )


class Downstream(Group):
    """What internal services are told of the calls that reach them."""

    trust_domain: TrustDomain | None = Field(
        None,
        description="Tell services of class `internal` who is behind each call, in a signed Txn-Token for this domain, "
        "such as prod.example.com. Empty: they are told nothing.",
    )
    lifetime_seconds: int = Field(60, ge=10, le=120, description="How long such a token is valid.")


class Telemetry(Group):
    otlp_endpoint: Url | None = Field(
        None, description="OTLP/HTTP traces, such as http://127.0.0.1:4318/v1/traces. Empty: nothing leaves."
    )
    headers: Mapping[str, Reference] = Field(
        {}, description="Headers for that endpoint, each by reference: `authorization: env:OTLP_TOKEN`."
    )


class Settings(Group):
    """The whole configuration. Absent means the default; every default is safe. Loaded paths are absolute."""

    version: Literal[1] = Field(1, description="The format of this file.")
    mode: Mode = Field(
        Mode.ENFORCE, description="`enforce`, or `observe`: record what policy would refuse, refuse nothing."
    )
    state: Path = Field(Path("state"), description="Database, audit log and keys. Back it up; keep it private.")
    history_days: int = Field(
        30, ge=7, le=3650, description="Days that the database keeps what has ended. The audit log keeps it for good."
    )
    inventory: Path = Field(Path("inventory"), description="People, teams, agents, services and datasets.")
    policies: Path = Field(Path("policies"), description="What is allowed, in Cedar.")
    trusted_roots: Path | None = Field(
        None, description="PEM bundle that upstreams are verified with. Empty: the usual public roots."
    )
    listen: Listen = Field(
        Listen(), description="Addresses. Beyond this machine, use those with TLS, or put TLS in front."
    )
    control: Control = Field(Control(), description="The console and the control API.")
    inventory_sources: tuple[InventorySource, ...] = Field(
        (), description="More of the inventory, kept elsewhere; it and the files are one. One looks so:"
    )
    identity: Identity = Field(Identity(), description="How agents prove who they are.")
    ownership: Ownership = Field(Ownership(), description="Who answers for what, and what happens when nobody does.")
    limits: Limits = Field(Limits(), description="How much a peer may send.")
    holds: Holds = Field(Holds(), description="Calls that wait for a person.")
    audit: Audit = Field(Audit(), description="The record that stands as evidence.")
    downstream: Downstream = Field(Downstream(), description="What internal services are told of their calls.")
    signals: Signals = Field(Signals(), description="Security events (CAEP): what was ended elsewhere, and here.")
    telemetry: Telemetry = Field(Telemetry(), description="Traces for your collector.")
