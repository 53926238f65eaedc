"""What the approver sees, made by us from the call and never from the agent's words; and its digest."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from policies.model import Json, Requirement
from proxy.facts import Inventory
from proxy.holds.model import Hold
from proxy.stages import Call, Chain, Decided, Identity, Presence, Request

type Card = dict[str, Json]

VERSION = "card/1"

# Letters, marks and signs by category, blank or ignored on a screen (Unicode's Default_Ignorable_Code_Point
# beyond the control and format characters, and the blank Braille pattern).
_BLANK = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}).union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
)


def card_of(decided: Decided, requirement: Requirement, inventory: Inventory, executed: Hold | None) -> Card:
    """The whole card of this call. `executed` is an identical call that already ran."""
    described = decided.described
    identity, call = described.attributed.identity, described.call
    request = described.attributed.arrived.request
    return {
        "version": VERSION,
        "effect": effect_line(call),
        "effect_class": call.tool.effect if call.tool else "unknown",
        "rollback": requirement.rollback or identity.agent.rollback,
        "reasons": list(requirement.reasons),
        "rules": list(requirement.rules),
        "policy_version": decided.decision.policy_version,
        **_who(identity),
        "where": _where(call, request, inventory),
        "datasets": _datasets(call, inventory),
        "arguments": dict(call.arguments),
        "action_digest": call.digest,
        "allows": _allows(identity, call, requirement),
        "identical_to": _identical(executed),
    }


def effect_line(call: Call) -> str:
    """One line of what would happen: the operation and every argument, nothing cut, nothing invisible."""
    values = ", ".join(f"{name} = {_value(value)}" for name, value in call.arguments.items())
    return visible(f"{call.operation}: {values}" if values else f"{call.operation}, without arguments")


def visible(text: str) -> str:
    """The text with every invisible, control, bidirectional or odd space character written as `\\u{XXXX}`."""
    return "".join(character if _plain(character) else f"\\u{{{ord(character):04X}}}" for character in text)


def canonical(value: Mapping[str, Json]) -> bytes:
    """The one spelling of a card: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def display_digest(card: Card) -> str:
    """`sha256:<hex>` over exactly what the approver is shown."""
    return "sha256:" + hashlib.sha256(canonical(card)).hexdigest()


def chain_digest(chain: Chain, instance: str = "") -> str:
    """`sha256:<hex>` over the ordered chain: who, for whom, and how well each hop is proven.

    With the running copy that calls, where somebody else answers for it: what its owner signs is for it alone.
    """
    hops = [
        [hop.delegator.kind, hop.delegator.id, hop.delegate.kind, hop.delegate.id, hop.level, hop.method]
        for hop in chain.hops
    ]
    copy = [instance] if instance else []
    form = json.dumps(["chain/1", chain.root.kind, chain.root.id, hops, chain.complete, *copy], separators=(",", ":"))
    return "sha256:" + hashlib.sha256(form.encode()).hexdigest()


def moment(at: float) -> str:
    """A time as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: int) -> str:
    """`10 minutes`, `1 hour`: a length of time as people say it."""
    for size, name in ((3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}" + ("" if count == 1 else "s")
    return f"{seconds} seconds"


def _plain(character: str) -> bool:
    if character == " ":
        return True
    return unicodedata.category(character)[0] not in {"C", "Z"} and ord(character) not in _BLANK


def _value(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _who(identity: Identity) -> Card:
    agent, owner, proven = identity.agent, identity.owner, identity.proven
    levels = ["", *(hop.level for hop in identity.chain.hops)]
    methods = ["", *(hop.method for hop in identity.chain.hops)]
    return {
        "agent": {
            "id": agent.id,
            "purpose": agent.purpose,
            "ticket": agent.ticket,
            "environment": agent.environment,
            "team": agent.team,
        },
        "owner": {"id": owner.id, "name": owner.name},
        "chain": [
            {"kind": member.kind, "id": member.id, "level": level, "method": method}
            for member, level, method in zip(identity.chain.members, levels, methods, strict=True)
        ],
        "chain_complete": identity.chain.complete,
        **_signed_in(identity.chain.presence),
        "on_behalf_of": proven.on_behalf_of,
        "task": proven.task,
        "proven_by": proven.method,
    }


def _signed_in(presence: Presence | None) -> Card:
    """When and how the person at the root was there; nothing where that is not known."""
    if presence is None:
        return {}
    at = None if presence.at is None else moment(presence.at)
    return {"signed_in": {"at": at, "acr": presence.acr, "amr": [*presence.amr]}}


def _where(call: Call, request: Request, inventory: Inventory) -> Card:
    service = call.service
    return {
        "service": service.id,
        "service_owner": inventory.stand_ins.get(f"service:{service.id}", service.owner),
        "environment": service.environment,
        "trust": service.trust,
        "tool": call.tool.name if call.tool else None,
        "protocol": call.protocol,
        "method": request.method,
        "scheme": request.scheme,
        "host": request.authority,
        "path": request.path,
        "query": request.query,
        "body_bytes": len(request.body),
        "body_sha256": hashlib.sha256(request.body).hexdigest(),
    }


def _datasets(call: Call, inventory: Inventory) -> list[Json]:
    shown: list[Json] = []
    for use in call.datasets:
        dataset = inventory.datasets.get(use.dataset)
        shown.append(
            {
                "id": use.dataset,
                "access": use.access,
                "sensitivity": dataset.sensitivity if dataset else "unknown",
                "owner": inventory.stand_ins.get(f"dataset:{dataset.id}", dataset.owner) if dataset else None,
            }
        )
    return shown


def _allows(identity: Identity, call: Call, requirement: Requirement) -> str:
    return (
        f"Approving lets {identity.agent.id} make exactly this call to {call.service.id} once, within "
        f"{span(requirement.use_within)} of the approval. Any change to it needs a new approval."
    )


def _identical(executed: Hold | None) -> Json:
    if executed is None or executed.closed_at is None:
        return None
    return {"hold_id": executed.id, "executed_at": moment(executed.closed_at)}
