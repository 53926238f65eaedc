"""From the records of one call to its story: one flat account of who asked for what, and how it ended."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from policies.model import Json

type Ending = Literal["served", "refused", "held", "in_flight", "cut"]
type Story = dict[str, Json]

ENDINGS: frozenset[str] = frozenset({"served", "refused", "held", "in_flight", "cut"})

_ENDING_OF: Mapping[str, Ending] = {
    "call.received": "in_flight",
    "call.decided": "in_flight",
    "call.resumed": "in_flight",
    "call.forwarded": "in_flight",
    "call.held": "held",
    "call.refused": "refused",
    "identity.refused": "refused",
    "call.completed": "served",
    "call.aborted": "cut",
}
_PLACES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "agent": (("agent", "id"),),
    "owner": (("agent", "owner"),),
    "identity": (("agent", "identity"),),
    "proven_by": (("agent", "src"), ("cred", "kind")),
    "credential_id": (("cred", "id"),),
    "operation": (("action", "operation"),),
    "service": (("action", "service"),),
    "tool": (("action", "tool"),),
    "effect": (("action", "effect"),),
    "method": (("action", "method"),),
    "path": (("action", "path"),),
    "destination": (("action", "dst"),),
    "trust": (("action", "dst_class"),),
    "datasets": (("action", "datasets"),),
    "digest": (("action", "digest"),),
    "chain": (("delegation", "chain"),),
    "levels": (("delegation", "levels"),),
    "methods": (("delegation", "methods"),),
    "chain_integrity": (("delegation", "integrity"),),
    "decision": (("decision", "outcome"),),
    "mode": (("decision", "mode"),),
    "would": (("decision", "would"),),
    "rules": (("decision", "rules"),),
    "observed": (("decision", "observed"),),
    "policy_version": (("decision", "policy"),),
    "reason": (("error", "reason"), ("decision", "reason")),
    "answered": (("error", "status"),),
    "internal": (("error", "internal"),),
    "hold": (("approval", "id"),),
    "approval": (("approval", "state"),),
    "approved_by": (("approval", "by"),),
    "binding": (("credential", "id"),),
    "secret_reference": (("credential", "reference"),),
    "status": (("upstream", "status"),),
    "bytes": (("upstream", "bytes"),),
    "sent": (("upstream", "sent"),),
    "total_us": (("upstream", "total_us"),),
    "trace": (("trace", "id"),),
}


def story_of(records: Iterable[Mapping[str, Any]]) -> Story:
    """The story that these records of one call tell, whatever their order; later records overrule earlier ones."""
    ordered = sorted(records, key=_when)
    if not ordered:
        raise ValueError("a story needs at least one record")
    first, last = ordered[0], ordered[-1]
    story: Story = {
        "call": first.get("call", ""),
        "at": first.get("ts", ""),
        "updated": last.get("ts", ""),
        "ending": _ENDING_OF.get(last.get("type", ""), "in_flight"),
        "records": [record.get("idx", 0) for record in ordered],
        "task": next((record["task"] for record in reversed(ordered) if record.get("task")), ""),
    }
    for name, places in _PLACES.items():
        story[name] = _latest(ordered, places)
    chain = story["chain"]
    story["principal"] = chain[0] if isinstance(chain, list) and chain else None  # whom it was made for: `human:alice`
    return story


def stories_of(records: Iterable[Mapping[str, Any]]) -> list[Story]:
    """The stories of all calls in these records, the most recently changed first."""
    by_call: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        if record.get("call"):
            by_call.setdefault(record["call"], []).append(record)
    told = sorted(by_call.values(), key=lambda group: max(map(_when, group)), reverse=True)
    return [story_of(group) for group in told]


def _when(record: Mapping[str, Any]) -> tuple[str, int]:
    return record.get("ts", ""), record.get("idx", 0)


def _latest(ordered: list[Mapping[str, Any]], places: tuple[tuple[str, str], ...]) -> Json:
    for record in reversed(ordered):
        for section, key in places:
            value: Json = (record.get(section) or {}).get(key)
            if value is not None:
                return value
    return None
