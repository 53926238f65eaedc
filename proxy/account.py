"""A call's account: what each stage puts into the record. Secrets and argument values never do."""

from policies.model import Decision, Json
from proxy.errors import Refusal
from proxy.stages import Answered, Arrived, Attributed, Call, Chain, Claim, Decided, Described, Identity, Injection
from telemetry.redaction import commitment
from telemetry.trace_context import TraceIds

type Reached = Arrived | Attributed | Described | Decided
type Section = dict[str, Json]


def refused(reached: Reached, trace: TraceIds, refusal: Refusal, at: float) -> Section:
    """The record of a call that does not go on, with all that is known of it by then."""
    record = _known(reached, trace, at)
    record["type"] = "call.held" if refusal.reason == "approval_pending" else "call.refused"
    record["refusal"] = _refusal(refusal)
    hold = refusal.extra.get("hold_id")
    if isinstance(hold, str):
        record["approval"] = {"id": hold, "state": refusal.extra.get("approval_status")}
    return record


def decided(decided_: Decided, trace: TraceIds, injection: Injection, claim: Claim | None, at: float) -> Section:
    """The record that must be durable before the first byte goes upstream."""
    record = _known(decided_, trace, at)
    record["type"] = "call.decided"
    if injection.binding is not None:
        record["binding"] = {"id": injection.binding.id, "reference": injection.binding.secret}
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
    arrived = released.decided.described.attributed.arrived
    record: Section = {
        "type": "call.completed" if answered.status else "call.aborted",
        "at": answered.ended_at,
        "call": arrived.call_id,
        "trace": {"id": released.trace_id, "span": released.span_id},
        "decided_index": released.record_index,
        "upstream": {
            "status": answered.status,
            "bytes": answered.response_bytes,
            "first_byte_us": _microseconds(answered.first_byte_at - arrived.at) if answered.first_byte_at else None,
            "total_us": _microseconds(answered.ended_at - arrived.at),
            "sent": answered.sent,
        },
    }
    if answered.error:
        record["error"] = answered.error
    if released.claim is not None:
        record["approval"] = {"id": released.claim.hold_id, "attempt": released.claim.attempt_id}
    return record


def _known(reached: Reached, trace: TraceIds, at: float) -> Section:
    decision = call = identity = None
    if isinstance(reached, Decided):
        decision, reached = reached.decision, reached.described
    if isinstance(reached, Described):
        call, reached = reached.call, reached.attributed
    if isinstance(reached, Attributed):
        identity, reached = reached.identity, reached.arrived
    record: Section = {
        "at": at,
        "call": reached.call_id,
        "trace": _trace(trace),
        "client": {"peer": reached.peer, "connection": reached.connection, "entrance": reached.entrance},
        "action": _action(reached, call),
    }
    if identity is not None:
        record |= _who(identity)
    if decision is not None:
        record["decision"] = _decision(decision)
    return record


def _who(identity: Identity) -> Section:
    proven, agent = identity.proven, identity.agent
    return {
        "agent": {"id": agent.id, "instance": proven.instance, "owner": identity.owner.id, "class": agent.agent_class},
        "cred": {"kind": proven.method, "id": proven.credential},
        "task": proven.task,
        "principal": {"kind": identity.chain.root.kind, "id": identity.chain.root.id},
        "delegation": _delegation(identity.chain),
    }


def _delegation(chain: Chain) -> Section:
    return {
        "chain": [f"{member.kind}:{member.id}" for member in chain.members],
        "levels": [hop.level for hop in chain.hops],
        "methods": [hop.method for hop in chain.hops],
        "depth": len(chain.hops),
        "integrity": "verified" if chain.complete else "missing_parent",
    }


def _action(arrived: Arrived, call: Call | None) -> Section:
    request = arrived.request
    action: Section = {
        "method": request.method,
        "dst": f"{request.host}:{request.port}",
        # a matched route's template, since the real path may hold personal data that cannot be erased
        "path": call.tool.route.path if call and call.tool and call.tool.route else request.path,
        "bytes": len(request.body),
    }
    if call is not None:
        action |= {
            "proto": call.protocol,
            "service": call.service.id,
            "tool": call.tool.name if call.tool else None,
            "operation": call.operation,
            "effect": call.tool.effect if call.tool else "unknown",
            "dst_class": call.service.trust,
            "digest": call.digest,
            "datasets": [f"{use.access}:{use.dataset}" for use in call.datasets],
            "args": commitment(call.arguments),
        }
    return action


def _decision(decision: Decision) -> Section:
    return {
        "outcome": decision.outcome.value,
        "would": decision.would.value,
        "mode": decision.mode.value,
        "policy": decision.policy_version,
        "reasons": [reason.code for reason in decision.reasons],
        "rules": [reason.rule for reason in decision.reasons if reason.rule],
        "eval_us": decision.duration_us,
    }


def _refusal(refusal: Refusal) -> Section:
    return {"reason": refusal.reason, "status": refusal.status, "internal": refusal.internal}


def _trace(trace: TraceIds) -> Section:
    return {"id": trace.trace_id, "span": trace.span_id, "origin": trace.origin, "inbound": trace.inbound}


def _microseconds(seconds: float) -> int:
    return max(0, round(seconds * 1_000_000))


def unreadable(
    refusal: Refusal, connection: str, peer: str, summary: str, call_id: str, trace: TraceIds, at: float
) -> Section:
    """The record of something that never became a request that can be read in one way."""
    return {
        "type": "call.refused",
        "at": at,
        "call": call_id,
        "trace": _trace(trace),
        "client": {"peer": peer, "connection": connection},
        "action": {"summary": summary[:200]},
        "refusal": _refusal(refusal),
    }


def arrived_of(reached: Reached) -> Arrived:
    """The request behind any stage."""
    if isinstance(reached, Decided):
        reached = reached.described
    if isinstance(reached, Described):
        reached = reached.attributed
    return reached.arrived if isinstance(reached, Attributed) else reached


def call_of(reached: Reached) -> Call | None:
    """The call behind a stage, if it came so far."""
    if isinstance(reached, Decided):
        reached = reached.described
    return reached.call if isinstance(reached, Described) else None
