"""Answers that we word ourselves, when the gate cannot be asked or has already let the call go (RFC 9457)."""

import json

from proxy.errors import Refusal
from proxy.stages import Reply

UNAVAILABLE = Refusal(
    "gate_failed",
    503,
    "Countersign could not judge this, so it did not pass. The fault is in the proxy, not in the request.",
    "retry",
)


def problem(refusal: Refusal) -> Reply:
    """A problem document. `executed: None` in `extra` says that nobody knows whether the call took effect."""
    executed = None if refusal.extra.get("executed", False) is None else False
    standing = "NOT EXECUTED. " if executed is False else "OUTCOME UNKNOWN. "
    document = {
        "type": f"urn:countersign:problem:{refusal.reason}",
        "title": refusal.reason.replace("_", " ").capitalize(),
        "status": refusal.status,
        "detail": standing + refusal.detail,
        "reason": refusal.reason,
        "next_action": refusal.next_action,
        **refusal.extra,
        "executed": executed,
    }
    headers = (("content-type", "application/problem+json"), ("cache-control", "no-store"), *refusal.headers)
    return Reply(refusal.status, headers, json.dumps(document).encode())
