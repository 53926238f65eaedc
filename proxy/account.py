"""A call's account: what each stage puts into the record. Secrets and argument values never do."""

import re
from dataclasses import dataclass

from policies.model import OBSERVED, Decision, Json
from proxy.credentials.strip import agent_credentials
from proxy.errors import Refusal, Refused
from proxy.protocols.catalog import Catalog
from proxy.protocols.routes import AmbiguousRoute
from proxy.stages import (
    Answered,
    Arrived,
    Attributed,
    Call,
    Chain,
    Claim,
    Decided,
    Described,
    Identity,
    Injection,
    Proven,
    Request,
)
from telemetry.record import clip
from telemetry.redaction import Redacted
from telemetry.trace_context import TraceContext

_CODE = re.compile(r"[a-z]+(?:_[a-z]+)+")

type Reached = Arrived | Attributed | Described | Decided
type Section = dict[str, Json]

# Longer values from outside are cut in the record: a record has a fixed greatest size.
MOST = 512
_MOST_NAMES = 16
# Segments that may be an id, a name with a number, a token: anything but short words and versions.
_NO_WORD = re.compile(r"(?<=/)(?!(?:[A-Za-z_-]{1,24}|v\d{1,3})(?:/|$))[^/]+")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a call. `arguments` are those of a described call, redacted once: every record of it agrees.

    `txn` is the id of the token that accounts for it to an internal service.
    """

    reached: Reached
    trace: TraceContext
    arguments: Redacted | None = None
    claim: Claim | None = None
    catalog: Catalog | None = None
    txn: str = ""


def refused(known: Known, refusal: Refusal, at: float) -> Section:
    """The record of a call that does not go on, with all that is known of it by then."""
    record = _so_far(known, at)
    record["type"] = "call.held" if refusal.reason == "approval_pending" else "call.refused"
    record["error"] = _error(refusal)
    hold = refusal.extra.get("hold_id")
    if known.claim is not None:
        record["approval"] = {"id": known.claim.hold_id, "attempt": known.claim.attempt_id}
    elif isinstance(hold, str):
        record["approval"] = {"id": hold, "state": _APPROVAL.get(str(refusal.extra.get("approval_status")), "expired")}
    return record


# From the words that the agent is told to those of the record.
_APPROVAL = {"pending": "requested", "approved": "granted", "consumed": "executed", "denied": "denied"}


def decided(known: Known, injection: Injection, at: float) -> Section:
    """The record that must be durable before the first byte goes upstream."""
    record, claim = _so_far(known, at), known.claim
    record["type"] = "call.resumed" if claim else "call.decided"
    if injection.binding is not None:
        record["credential"] = {"id": injection.binding.id, "reference": injection.binding.reference}
    if known.txn:
        record["downstream"] = {"txn": known.txn}
    if claim is not None:
        record["approval"] = {
            "id": claim.hold_id,
            "attempt": claim.attempt_id,
            "state": "granted",
            "by": list(claim.approved_by),
        }
    return record


def completed(answered: Answered) -> Section:
    """The record of how a released call ended."""
    released = answered.released
    attributed = released.decided.described.attributed
    arrived = attributed.arrived
    upstream: Section = {
        "status": answered.status,
        "bytes": answered.response_bytes,
        "total_us": _microseconds(answered.ended_at - released.at),
        "sent": answered.sent,
    }
    if answered.first_byte_at:
        upstream["first_byte_us"] = _microseconds(answered.first_byte_at - released.at)
    record: Section = {
        "type": "call.completed" if answered.status else "call.aborted",
        "at": answered.ended_at,
        "call": arrived.call_id,
        "task": attributed.identity.proven.task,
        "trace": {"id": released.trace_id, "span": released.span_id},
        "upstream": upstream,
    }
    if answered.error:
        ours = _CODE.fullmatch(answered.error)  # we cut it, or the agent left: then the upstream is not to blame
        record["error"] = {
            "reason": answered.error if ours else "upstream_failed",
            "internal": clip(answered.error, MOST),
        }
    if released.claim is not None:
        record["approval"] = {"id": released.claim.hold_id, "attempt": released.claim.attempt_id}
    return record


def unreadable(
    refusal: Refusal, connection: str, peer: str, summary: str, call_id: str, trace: TraceContext, at: float
) -> Section:
    """The record of something that never became a request that can be read in one way."""
    return {
        "type": "identity.refused" if refusal.reason.startswith("identity_") else "call.refused",
        "at": at,
        "call": call_id,
        "trace": _trace(trace),
        "client": {"ip": peer, "connection": connection},
        "action": {"operation": clip(summary, MOST)},
        "error": _error(refusal),
    }


def with_proof(record: Section, proven: Proven) -> Section:
    """The record of a call whose sender is proven but has no standing any more: found under its agent and task."""
    return record | {
        "agent": {"id": proven.agent, "identity": proven.credential, "src": proven.method},
        "cred": {"kind": proven.method, "id": proven.credential},
        "task": proven.task,
    }


def peer_of(record: Section) -> str:
    """The address that a record is about; empty if it names none."""
    client = record.get("client")
    return str(client.get("ip", "")) if isinstance(client, dict) else ""


def arrived_of(reached: Reached) -> Arrived:
    """The request behind any stage."""
    if isinstance(reached, Decided):
        reached = reached.described
    if isinstance(reached, Described):
        reached = reached.attributed
    return reached.arrived if isinstance(reached, Attributed) else reached


def _so_far(known: Known, at: float) -> Section:
    reached, decision, call, identity = known.reached, None, None, None
    if isinstance(reached, Decided):
        decision, reached = reached.decision, reached.described
    if isinstance(reached, Described):
        call, reached = reached.call, reached.attributed
    if isinstance(reached, Attributed):
        identity, reached = reached.identity, reached.arrived
    record: Section = {
        "at": at,
        "call": reached.call_id,
        "elapsed_us": _microseconds(at - reached.at),
        "trace": _trace(known.trace),
        "client": _client(reached),
        "action": _undescribed(reached, known.catalog) if call is None else _action(reached, call, known.arguments),
    }
    if identity is not None:
        record |= _who(identity)
    if decision is not None:
        record["decision"] = _decision(decision)
    return record


def _client(arrived: Arrived) -> Section:
    client: Section = {"ip": arrived.peer, "connection": arrived.connection, "entrance": arrived.entrance}
    stripped = (*agent_credentials(arrived.request.headers), *arrived.stripped)
    if stripped:
        client["stripped"] = [clip(name, 64) for name in stripped[:_MOST_NAMES]]
    return client


def _who(identity: Identity) -> Section:
    proven, agent, root = identity.proven, identity.agent, identity.chain.root
    hosted: Section = {} if agent.partner is None else {"partner": agent.partner}
    stands_in: Section = {"deputy_for": identity.deputy_for} if identity.deputy_for else {}
    return {
        "agent": {
            "id": agent.id,
            "instance": proven.instance,
            "owner": identity.owner.id,
            "identity": f"{proven.issuer}|{proven.subject}" if proven.issuer else proven.credential,
            "src": proven.method,
            **hosted,
            **stands_in,
        },
        "cred": {"kind": proven.method, "id": proven.credential},
        "task": proven.task,
        "principal": {"kind": root.kind, "id": root.id},
        "delegation": _delegation(identity.chain),
    }


def _delegation(chain: Chain) -> Section:
    levels = [hop.level for hop in chain.hops]
    weakest = next((level for level in ("asserted", "endorsed") if level in levels), "verified")
    return {
        "chain": list(chain.names),
        "levels": list(levels),
        "methods": [clip(hop.method, 64) for hop in chain.hops],
        "depth": len(chain.hops),
        "integrity": weakest if chain.complete else "incomplete",
    }


def _undescribed(arrived: Arrived, catalog: Catalog | None) -> Section:
    """Before a call is described its path is a guess: a route where one fits, else what in it is plainly a word."""
    request = arrived.request
    route = _route_of(request, catalog) if catalog is not None else None
    return _place(request) | {"path": route or clip(_NO_WORD.sub("*", request.path), MOST)}


def _route_of(request: Request, catalog: Catalog) -> str | None:
    try:
        entry = catalog.entry_for(request)
        match = entry.routes.match(request.method, entry.below(request.path))
    except (Refused, AmbiguousRoute):
        return None
    route = match.target.tool.route if match else None
    return route.path if route else None


def _place(request: Request) -> Section:
    return {"method": clip(request.method, 32), "dst": clip(f"{request.host}:{request.port}", MOST)}


def _action(arrived: Arrived, call: Call, arguments: Redacted | None) -> Section:
    request = arrived.request
    # A matched route's template, since the real path may hold personal data that can never be erased.
    route = call.tool.route if call.tool else None
    action = _place(request) | {
        "path": route.path if route else clip(request.path, MOST),
        "proto": call.protocol,
        "service": call.service.id,
        "operation": clip(call.operation, MOST),
        "effect": call.tool.effect if call.tool else "unknown",
        "dst_class": call.service.trust,
        "digest": call.digest,
        "datasets": [f"{use.access}:{use.dataset}" for use in call.datasets],
    }
    if arguments is not None:
        action["args"] = arguments.args
    if call.rpc_version:
        action["rpc_version"] = clip(call.rpc_version, 32)
    if call.tool is not None:
        action["tool"] = clip(call.tool.name, MOST)
    if call.lifecycle:
        action["lifecycle"] = True
    if call.rpc_id is not None:
        action["rpc_id"] = clip(str(call.rpc_id), 128)
    return action


def _decision(decision: Decision) -> Section:
    rules: list[Json] = []
    observed: list[Json] = []
    for reason in decision.reasons:
        told = observed if reason.code == OBSERVED else rules
        if reason.rule and reason.rule not in told:
            told.append(reason.rule)
    section: Section = {
        "outcome": decision.outcome.value,
        "would": decision.would.value,
        "mode": decision.mode.value,
        "policy": decision.policy_version,
        "reason": decision.reasons[0].code if decision.reasons else "",
        "rules": rules,
        "eval_us": decision.duration_us,
    }
    return section | {"observed": observed} if observed else section


def _error(refusal: Refusal) -> Section:
    return {"reason": refusal.reason, "status": refusal.status, "internal": clip(refusal.internal, MOST)}


def _trace(trace: TraceContext) -> Section:
    section: Section = {"id": trace.trace, "span": trace.span, "up": trace.up, "origin": trace.origin}
    if trace.inbound is not None:
        section |= {"inbound": trace.inbound.trace, "inbound_span": trace.inbound.span}
    return section


def _microseconds(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))
