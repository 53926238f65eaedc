"""A described call as a question to the policies; their denial, and any failure, as words for the agent."""

import logging
from dataclasses import replace

from policies.model import Inquiry
from proxy.blame import blame
from proxy.errors import Refusal, Refused, StoreUnavailable, refuse
from proxy.path_spelling import written_alike
from proxy.stages import Decided, Described, Presence, Request
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.pipeline")

BROKEN = Refusal(
    "internal_error",
    503,
    "Countersign could not judge this call, so it did not pass. The fault is in the proxy, not in the request.",
    "retry",
)

STORE_DOWN = Refusal(
    "store_unavailable",
    503,
    "Countersign cannot reach its store at the moment, so this call did not pass.",
    "retry",
)


STALE = Refusal(
    "revocations_stale",
    503,
    "Countersign has not heard of revocations for too long, so this call did not pass.",
    "retry",
)

OUT_OF_TIME = Refusal(
    "judged_too_long",
    503,
    "Countersign took too long to judge this call, so it did not pass.",
    "retry",
)

AUDIT_DOWN = Refusal(
    "audit_unavailable",
    503,
    "What happens cannot be written down at the moment, so nothing passes.",
    "retry",
)


NOBODY_SEEN = Presence()


def inquiry(described: Described, now: float) -> Inquiry:
    """What policy is asked: verified facts only."""
    attributed, call = described.attributed, described.call
    identity, request = attributed.identity, attributed.arrived.request
    presence = identity.chain.presence or NOBODY_SEEN
    return Inquiry(
        agent=identity.agent.id,
        service=call.service.id,
        tool=call.tool.name if call.tool else None,
        method=request.method,
        path=written_alike(request.path),
        host=request.host,
        protocol=call.protocol,
        arguments=call.arguments,
        datasets=call.datasets,
        lifecycle=call.lifecycle,
        on_behalf_of=identity.proven.on_behalf_of,
        chain=identity.chain.names,
        chain_complete=identity.chain.complete,
        chain_verified=identity.chain.complete and all(hop.level == "verified" for hop in identity.chain.hops),
        auth_time=presence.at,
        acr=presence.acr,
        amr=presence.amr,
        task=identity.proven.task,
        now=now,
    )


def denial(decided: Decided) -> Refused:
    """The refusal of a denied call: which question failed, never which rule."""
    reasons = decided.decision.reasons
    code = reasons[0].code if reasons else "no_permit"
    question = (reasons[0].question if reasons else "") or decided.described.call.operation
    internal = "; ".join(f"{reason.code} {reason.rule} {reason.text}".strip() for reason in reasons)
    if code == "arguments_invalid":
        # The text says what the tool's own schema wants, which the agent may know, and no word of a policy.
        detail = f"The arguments of {question} do not fit its schema: {reasons[0].text}."
        return refuse(code, 400, detail, "fix_request", internal=internal)
    return refuse(
        code,
        403,
        f"The rules do not allow {question} for this agent{_untold(decided)}. "
        "Do not retry, rephrase or look for another way to the same effect; report it and go on without it.",
        internal=internal,
    )


def _untold(decided: Decided) -> str:
    """For a request that was judged by its method alone: a mistyped path is the likeliest reason."""
    call = decided.described.call
    return (
        "" if call.tool or call.protocol != "rest" else f", and no tool of {call.service.id} has this method and path"
    )


def failure(error: Exception, what: str) -> Refusal:
    """What the agent is told when this stopped its call. What nobody foresaw goes to the operator, with its place."""
    match error:
        case Refused():
            return error.refusal
        case StoreUnavailable():
            return replace(STORE_DOWN, internal=str(error))
        case AuditUnavailable():
            return replace(AUDIT_DOWN, internal=str(error))
        case _:
            log.error("cannot judge %s: %s", what, blame(error))  # its text might quote the request
            return replace(BROKEN, internal=type(error).__name__)


def prefer_wait(request: Request) -> float | None:
    """Seconds from `Prefer: wait=N` (RFC 7240 section 4.3), or None."""
    for part in (request.header("prefer") or "").split(","):
        name, _, value = part.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal() and len(value) <= 4:
            return float(value)
    return None
