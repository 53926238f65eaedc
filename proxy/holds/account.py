"""What happens to a hold, as the audit log tells it. The people's words are in it, argument values are not."""

from policies.model import Json
from proxy.holds.interfaces import StoredEvent
from telemetry.record import clip

# The record's type for each event of the machine. INVARIANT: all of them are in telemetry.record.RecordType.
RECORD_TYPES = {
    "hold.created": "approval.requested",
    "hold.vote_recorded": "approval.voted",
    "hold.approved": "approval.decided",
    "hold.denied": "approval.decided",
    "hold.expired": "approval.decided",
    "hold.requirements_changed": "approval.requirements_changed",
    "hold.rerouted": "approval.rerouted",
    "hold.cancelled": "approval.cancelled",
    "hold.invalidated": "approval.invalidated",
    "grant.lapsed": "approval.lapsed",
    "grant.revoked": "approval.revoked",
    "grant.reserved": "approval.reserved",
    "attempt.sent": "approval.sent",
    "attempt.finished": "approval.finished",
    "attempt.not_sent": "approval.not_sent",
    "attempt.unknown": "approval.unknown",
    "attempt.reconciled": "approval.reconciled",
}
_STATES = {
    "hold.created": "requested",
    "hold.approved": "granted",
    "hold.denied": "denied",
    "hold.expired": "expired",
    "grant.lapsed": "expired",
    "hold.cancelled": "withdrawn",
    "hold.invalidated": "withdrawn",
    "grant.revoked": "withdrawn",
    "attempt.finished": "executed",
}
# Fields of an event that have a place of their own in the record; the others are told as `name=value`.
_PLACES = {"reason": "reason", "attempt": "attempt", "wait_ms": "wait_ms", "by": "by", "channel": "channel"}
MOST = 500


def account_of(event: StoredEvent) -> dict[str, Json]:
    """The audit record of one event of a hold."""
    hold = event.hold
    approval: dict[str, Json] = {
        "id": hold.id,
        "event": event.type,
        "actor": event.actor,
        "digest": hold.key.action_digest,
        "display": hold.display_digest,
    }
    if event.type in _STATES:
        approval["state"] = _STATES[event.type]
    details: list[Json] = [f"event={event.id}"]
    for name, value in event.data.items():
        if name in _PLACES and value is not None:
            approval[_PLACES[name]] = clip(value, MOST) if isinstance(value, str) else value
        elif value not in (None, ""):
            details.append(clip(f"{name}={value}", MOST))
    approval["details"] = details
    return {
        "type": RECORD_TYPES[event.type],
        "at": event.at,
        "approval": approval,
        "agent": {"id": hold.key.agent, "owner": hold.owner},
        "task": hold.task,
        "action": {"service": hold.service, "operation": clip(hold.operation, MOST), "digest": hold.key.action_digest},
    }
