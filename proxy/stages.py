"""The states of a call. Each step of the path takes the one before, so a skipped step is a type error.

`Arrived -> Attributed -> Described -> Decided -> Released -> Answered`. All are frozen. Only
`proxy.pipeline` makes a `Released`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from policies.model import DatasetUse, Decision, Json
from proxy.facts import Agent, Binding, Person, Service, Tool

type Headers = tuple[tuple[str, str], ...]
type Entrance = Literal["connect", "forward", "gateway"]
type HopLevel = Literal["verified", "endorsed", "asserted"]
type PrincipalKind = Literal["human", "business_process", "service", "agent"]


# --- evidence, and who it proves ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LocalPeer:
    """The process at the other end of a UNIX socket, as the kernel names it."""

    uid: int
    gid: int
    pid: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a connection or request presented to say who it is. Nothing here is verified yet.

    `credentials` holds each presented credential as (scheme, value): `basic` values are the decoded
    password, `bearer` values the token. `certificates` is the chain (DER, leaf first) that the agent proved to hold
    the key of in TLS to the proxy itself, not yet judged. `local` is known of a UNIX socket alone. `malformed` says
    why something presented cannot be read; a malformed credential is a refusal, never "nothing presented".
    """

    peer: str
    credentials: tuple[tuple[str, str], ...] = field(repr=False, default=())
    malformed: str = ""
    certificates: tuple[bytes, ...] = ()
    local: LocalPeer | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """A party in a chain. `id` is an inventory id, or `issuer|subject` where the inventory has none."""

    kind: PrincipalKind
    id: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One delegation. `evidence` is a digest of the proof, never the proof."""

    delegator: Principal
    delegate: Principal
    level: HopLevel
    method: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Presence:
    """That the person at the root signed in: when (UNIX seconds; None if that is not known), and how.

    `acr` and `amr` are those of OpenID Connect, as the issuer of their token says; empty if it says nothing.
    """

    at: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()


@dataclass(frozen=True)  # without slots: what follows from a chain is kept with it, for each of its calls asks
class Chain:
    """Ordered hops from the root principal to the calling agent. No hops: the agent acts for itself.

    `presence` is what is known of the root's sign-in, of a person whose own token was shown.
    """

    root: Principal
    hops: tuple[Hop, ...] = ()
    complete: bool = True
    presence: Presence | None = None

    @cached_property
    def members(self) -> tuple[Principal, ...]:
        return (self.root, *(hop.delegate for hop in self.hops))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The members as `kind:id`."""
        return tuple(f"{member.kind}:{member.id}" for member in self.members)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.root, self.hops, self.complete, self.presence))


@dataclass(frozen=True, slots=True)
class TaskBasis:
    """What a task that is known to us proves: whose it is, for whom and through whom, and what ends it.

    `behind` are the parties before an asserted hop: they prove nothing, and nothing goes on without them. `above` are
    the tasks above it: of each the agent, and when it began.
    """

    agent: str
    chain: Chain
    since: float
    not_after: float
    scopes: tuple[str, ...]
    behind: tuple[Principal, ...] = ()
    above: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Proven:
    """What verified evidence proves, bound to a connection. Inventory facts are looked up per call.

    `scopes` are the revocation keys of the credential itself (`handle:...`, `token:iss|jti`,
    `task:...`); times are UNIX seconds. `evidence` is a digest of the proof, never the proof.
    `chain` is that of the task, if the task is known to us, and `behind` who stood before a gap in it. `keys` are the
    issuers whose keys it was proven by, each with the epoch of those keys: when one is taken away, it must be shown
    anew. `thumbprint` is that of the certificate whose key the connection has proven to hold, `bound_to` the one that
    it must be (RFC 8705 section 3). `made_at` is when the credential itself was issued, however old its task; 0 if only
    `issued_at` is known. `begun` are the task and those above it, if they are known to us: of each the agent, and when
    it began. `client` is whom an issuer's token was issued to, if it says so.
    """

    agent: str
    method: str
    credential: str
    issued_at: float
    not_after: float
    task: str
    on_behalf_of: str | None = None
    instance: str = ""
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    subject: str = ""
    evidence: str = ""
    chain: Chain | None = None
    behind: tuple[Principal, ...] = ()
    keys: tuple[tuple[str, int], ...] = ()
    thumbprint: str = ""
    bound_to: str = ""
    made_at: float = 0.0
    begun: tuple[tuple[str, float], ...] = ()
    client: str = ""


@dataclass(frozen=True, slots=True)
class Restraint:
    """Why no call of somebody passes without a person's word, whatever policy allows. `text` is for who signs.

    A word that was given up to `since` (UNIX seconds) does not count: whoever gave it did not know of this. `barred`
    is the person whom it is about, who cannot give theirs.
    """

    reason: str
    text: str
    since: float = 0.0
    barred: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is calling, for whom, through whom, and which person answers for it.

    With `restraints`, what policy would allow is held for sign-off; what it denies stays denied. `deputy_for` is the
    owner who left, while `owner` is the deputy who answers in their stead.
    """

    agent: Agent
    owner: Person
    chain: Chain
    proven: Proven
    scopes: tuple[str, ...]
    restraints: tuple[Restraint, ...] = ()
    deputy_for: str = ""


# --- the stages -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """One canonical request: the bytes decided are the bytes digested are the bytes sent.

    `host` is lower case, without port; `path` starts with `/`, without query; `query` is raw,
    without `?`; header names are lower case, hop-by-hop and `Proxy-*` headers are gone.
    """

    method: str
    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str
    query: str = field(repr=False)  # what goes upstream has the credential in one of these three
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The value of the only header of this lower-case name; None if there is none, or several."""
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else None

    @property
    def authority(self) -> str:
        return authority(self.scheme, self.host, self.port)


def authority(scheme: str, host: str, port: int) -> str:
    """A place as the `Host` of a request to it: an IPv6 address in brackets, the port unless it is the scheme's own."""
    host = f"[{host}]" if ":" in host else host
    return host if port == (443 if scheme == "https" else 80) else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request that can be read in one way only. `at` is UNIX seconds.

    `stripped` are query parameters that it came with and that ours stand for: they are in no stage after it.
    """

    call_id: str
    at: float
    connection: str
    entrance: Entrance
    peer: str
    request: Request
    service_hint: str | None = None
    traceparent: str | None = None
    stripped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attributed:
    arrived: Arrived
    identity: Identity


@dataclass(frozen=True, slots=True)
class Call:
    """What is being called, whatever the wire protocol.

    `operation` is what people read: `crm/refund`, `crm GET /v1/orders/7`, `files/tools/list`.
    `digest` is `sha256:<hex>` over the action envelope: who, where, what, with which arguments.
    `rpc_id` is the JSON-RPC id to answer under; `lifecycle` marks protocol housekeeping. `traceparent`
    is what the message itself carries (MCP `_meta`), as untrusted as the header.
    """

    protocol: Literal["rest", "mcp"]
    service: Service
    tool: Tool | None
    operation: str
    arguments: Mapping[str, Json]
    datasets: tuple[DatasetUse, ...]
    digest: str
    envelope: bytes
    lifecycle: bool = False
    rpc_id: str | int | None = None
    rpc_version: str = ""
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    attributed: Attributed
    call: Call


@dataclass(frozen=True, slots=True)
class Decided:
    """`scopes` are the revocation keys of the call itself; `restraints` are those under which it was decided."""

    described: Described
    decision: Decision
    scopes: tuple[str, ...] = ()
    restraints: tuple[Restraint, ...] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in use: `reference` may be recorded, `value` only goes upstream."""

    reference: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Injection:
    """What goes onto the request for the upstream. `headers` replace any of the same name.

    `query` is `name=value` as it is sent, for a request whose own query has no such name.
    """

    headers: Headers = field(repr=False, default=())
    secrets: tuple[Secret, ...] = ()
    binding: Binding | None = None
    query: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Claim:
    """One use of a grant, reserved for this call and nobody else."""

    hold_id: str
    attempt_id: str
    approved_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Released:
    """A call that may go upstream now: decided, recorded, with its credential. Made by the pipeline only.

    `at` is when (UNIX seconds): what the upstream takes is counted from there.
    """

    decided: Decided
    upstream: Request = field(repr=False)
    injection: Injection = field(repr=False)
    claim: Claim | None
    record_index: int
    trace_id: str
    span_id: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a released call may be connected to, and how that place is recognised.

    `host` is the name that is verified and sent as SNI. `connect` pins the address to dial instead.
    Without `allow_private_addresses`, loopback, link-local, private and metadata ranges are refused.
    `answer_within` is for how long (seconds) it may take to begin an answer, `silence_within` for how long nothing may
    come of one that has begun, or pass on a WebSocket; None: as long as any other.
    """

    scheme: str
    host: str
    port: int
    connect: tuple[str, int] | None = None
    ca_bundle: str | None = None
    allow_private_addresses: bool = False
    allow_websocket: bool = False
    answer_within: float | None = None
    silence_within: float | None = None
    allow_encoded_slash: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that we give ourselves, in the shape that the caller's protocol understands."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)  # our token endpoint answers with one, too


@dataclass(frozen=True, slots=True)
class Answered:
    """How it ended. `status` 0 means that no complete answer came; `error` then says why."""

    released: Released
    status: int
    response_bytes: int
    first_byte_at: float
    ended_at: float
    error: str = ""
    sent: bool = True
