"""The call record: one canonical object per transition, of which spans, metrics and SIEM events are views.

Stored shapes only grow: never rename or remove a key, add new ones as optional. Keys are ASCII, numbers
are integers within 2**53; under that restriction sorted-key JSON is RFC 8785, which is what is hashed.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NotRequired, TypedDict, cast, get_args

import orjson
from pydantic import ConfigDict, TypeAdapter, with_config

VERSION: Final = 1
CANONICAL_FORM: Final = "rfc8785"
MAX_RECORD_BYTES: Final = 65_535
"""Entries of a tiled log carry a 16-bit length (C2SP tlog-tiles)."""

type RecordType = Literal[
    "call.received",
    "call.refused",
    "call.decided",
    "call.held",
    "call.resumed",
    "call.forwarded",
    "call.completed",
    "call.aborted",
    "approval.requested",
    "approval.decided",
    "approval.voted",
    "approval.vote_received",
    "approval.requirements_changed",
    "approval.rerouted",
    "approval.reserved",
    "approval.sent",
    "approval.not_sent",
    "approval.finished",
    "approval.unknown",
    "approval.reconciled",
    "approval.lapsed",
    "approval.cancelled",
    "approval.invalidated",
    "approval.revoked",
    "identity.refused",
    "handle.issued",
    "handle.revoked",
    "task.created",
    "task.changed",
    "token.issued",
    "token.refused",
    "token.revoked",
    "revocation.put",
    "revocation.lifted",
    "revocation.forgotten",
    "history.forgotten",
    "signal.received",
    "signal.refused",
    "signal.silent",
    "signal.heard_again",
    "signal.undelivered",
    "person.token_issued",
    "person.link_issued",
    "person.signed_in",
    "person.signed_out",
    "person.deactivated",
    "person.activated",
    "review.attested",
    "ownership.orphaned",
    "ownership.restored",
    "keys.rotated",
    "inventory.received",
    "inventory.changed",
    "inventory.silent",
    "inventory.heard_again",
    "policy.changed",
    "config.mistake",
    "proxy.started",
    "proxy.stopped",
    "audit.gap",
]
RECORD_TYPES: Final[frozenset[str]] = frozenset(get_args(RecordType.__value__))

_strict = with_config(ConfigDict(extra="forbid", strict=True))


@_strict
class Trace(TypedDict, total=False):
    """`span` is our SERVER span, `up` the CLIENT span towards the upstream; `resumes` the held span."""

    id: str
    span: str
    up: str
    origin: Literal["continued", "restarted", "generated", "adopted", "resumed"]
    inbound: str
    inbound_span: str
    resumes: str
    resumes_trace: str


@_strict
class Principal(TypedDict, total=False):
    kind: str
    id: str


@_strict
class Delegation(TypedDict, total=False):
    """`chain` is `kind:id` from the root to the calling agent; `levels` and `methods` have one entry for each hop."""

    chain: list[str]
    depth: int
    integrity: Literal["verified", "endorsed", "asserted", "incomplete"]
    levels: list[str]
    methods: list[str]


@_strict
class Agent(TypedDict, total=False):
    """`identity` is what was proven (`issuer|subject`, a handle id), `src` how (`handle`, `jwt`, `none`).

    `partner` hosts the agent, where it is not ours. `deputy_for` is the owner who left, where `owner` is the deputy who
    answers in their stead.
    """

    id: str
    instance: str
    owner: str
    identity: str
    src: str
    partner: str
    deputy_for: str


@_strict
class Cred(TypedDict, total=False):
    """The agent's own credential: its kind and its id, never its value."""

    kind: str
    id: str


@_strict
class Client(TypedDict, total=False):
    """`stripped` are the names of headers in which the agent brought credentials of its own, which went nowhere."""

    ip: str
    connection: str
    entrance: str
    stripped: list[str]


@_strict
class Args(TypedDict, total=False):
    """`commit` is a salted commitment, `shape` names and types without values, `bytes` the JSON's length."""

    commit: str
    shape: list[str]
    bytes: int


@_strict
class Action(TypedDict, total=False):
    """`datasets` are `read:<id>` and `write:<id>`; `digest` is that of the action envelope."""

    proto: str
    method: str
    service: str
    tool: str
    operation: str
    path: str
    digest: str
    datasets: list[str]
    effect: str
    dst: str
    dst_class: str
    args: Args
    rpc_id: str
    rpc_version: str
    lifecycle: bool


@_strict
class DecisionPart(TypedDict, total=False):
    """`call.decided` carries allow or deny; a hold is one `call.held`, with this section in it.

    `observed` are the rules that only watch, and would have refused: they had no part in the outcome.
    """

    outcome: Literal["allow", "hold", "deny"]
    would: Literal["allow", "hold", "deny"]
    reason: str
    rules: list[str]
    policy: str
    mode: Literal["enforce", "observe"]
    eval_us: int
    observed: list[str]


@_strict
class Approval(TypedDict, total=False):
    """`id` is the hold's id. In `approval.decided` `by` is who answered; in `call.resumed` who approved."""

    id: str
    state: Literal["requested", "granted", "denied", "expired", "withdrawn", "executed"]
    by: list[str]
    needs: list[str]
    reason: str
    channel: str
    attempt: str
    expires: str
    wait_ms: int
    digest: str
    event: str
    actor: str
    display: str
    details: list[str]


@_strict
class Upstream(TypedDict, total=False):
    """`sent` false: not one byte went upstream. Times count from the moment of release."""

    status: int
    bytes: int
    sent: bool
    first_byte_us: int
    total_us: int
    address: str


@_strict
class Binding(TypedDict, total=False):
    """Which credential binding was injected, and the reference of its secret; never the secret."""

    id: str
    reference: str


@_strict
class Downstream(TypedDict, total=False):
    """What an internal service was told of the call: the id (`jti`) of its transaction token, never the token."""

    txn: str


@_strict
class Error(TypedDict, total=False):
    """`reason` and `status` as the agent saw them; `internal` is for us only."""

    reason: str
    status: int
    internal: str


@_strict
class Change(TypedDict, total=False):
    """An administrative act: what (`handle:...`, `agent:...`), by whom, why, from which version to which."""

    what: str
    by: str
    reason: str
    kind: str
    before: str
    after: str
    at: str
    details: list[str]


@_strict
class Gap(TypedDict, total=False):
    """What this log could not take: `refused` callers were told no, `lost` outcomes are gone."""

    refused: int
    lost: int
    since: str
    until: str
    cause: str


@_strict
class Record(TypedDict):
    """One transition as it stands in the log. The recorder itself adds v, canon, log, idx, id, ts, prev."""

    v: int
    canon: str
    log: str
    idx: int
    id: str
    type: RecordType
    ts: str
    prev: NotRequired[str]
    call: NotRequired[str]
    task: NotRequired[str]
    elapsed_us: NotRequired[int]
    trace: NotRequired[Trace]
    principal: NotRequired[Principal]
    delegation: NotRequired[Delegation]
    agent: NotRequired[Agent]
    cred: NotRequired[Cred]
    client: NotRequired[Client]
    action: NotRequired[Action]
    decision: NotRequired[DecisionPart]
    approval: NotRequired[Approval]
    upstream: NotRequired[Upstream]
    credential: NotRequired[Binding]
    downstream: NotRequired[Downstream]
    error: NotRequired[Error]
    change: NotRequired[Change]
    gap: NotRequired[Gap]


_ADAPTER: Final[TypeAdapter[Record]] = TypeAdapter(Record)


def validate(record: object) -> Record:
    """The record, if it has exactly the shape above; else pydantic's `ValidationError`. Not for the hot path."""
    return _ADAPTER.validate_python(record)


def canonical(record: Mapping[str, Any]) -> bytes:
    """The bytes that are stored and hashed. Raises `TypeError` for what JSON or UTF-8 cannot carry."""
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)


def restricted(value: object) -> bool:
    """True if canonical() of this value is RFC 8785: no floats, ASCII keys, integers within 2**53."""
    waiting: list[object] = [value]
    for item in waiting:  # it grows while we read it
        kind = type(item)
        if kind is int:
            if not -(2**53) < cast("int", item) < 2**53:
                return False
        elif kind is dict:
            inner = cast("dict[str, object]", item)
            if not set(map(type, inner)) <= _STRINGS or not "".join(inner).isascii():
                return False
            waiting += [member for member in inner.values() if type(member) is not str]
        elif kind is list:
            waiting += [member for member in cast("list[object]", item) if type(member) is not str]
        elif kind is not str and kind is not bool and item is not None:
            return False
    return True


_STRINGS = {str}


def clip(text: str, limit: int = 1024) -> str:
    """Text from outside, made fit for a record: valid Unicode, and at most `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


_second: tuple[int, str] = (-1, "")


def timestamp(at: float) -> str:
    """RFC 3339 in UTC with microseconds, of UNIX seconds."""
    global _second  # noqa: PLW0603 - the text of the current second, replaced whole: formatting it costs 1 µs
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    known, text = _second
    if known != seconds:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        _second = (seconds, text)
    return f"{text}.{micros:06d}Z"


def unix_nanoseconds(ts: str) -> int:
    """The inverse of `timestamp`, in nanoseconds. Raises `ValueError` for anything else."""
    if len(ts) != 27 or ts[19] != "." or ts[26] != "Z":
        raise ValueError(f"`{ts[:40]}` is not a timestamp with microseconds in UTC")
    moment = datetime.fromisoformat(ts[:19] + "+00:00")
    return int(moment.timestamp()) * 1_000_000_000 + int(ts[20:26]) * 1_000
