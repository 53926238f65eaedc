"""What follows from an event here: end, freeze, or nothing but the record (CAEP 1.0, RISC 1.0)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from policies.model import Json
from proxy.control.signals.model import Event
from proxy.control.signals.words import CAEP, RISC, SSF, SetRefused

# Whatever rests on a credential from before an event rests on it within this: no issuer's tokens live longer.
LONGEST_CREDENTIAL = 86_400.0

type What = Literal["revoke", "freeze", "nothing", "unknown", "heartbeat", "stream"]
type _Judge = Callable[[Mapping[str, Json]], What]


@dataclass(frozen=True, slots=True)
class Effect:
    """`name` is that of the event, for people."""

    what: What
    name: str


def effect_of(event: Event) -> Effect:
    """What follows from this event. One of a known type that says too little is refused."""
    judge = _JUDGES.get(event.uri)
    return Effect("unknown" if judge is None else judge(event.body), event.uri.rpartition("/")[2][:64] or "event")


def ends_at(event: Event, issued_at: int, now: float) -> float:
    """Everything that was issued up to then is over.

    What was obtained after the event with a credential from before it is over too: a task that began meanwhile, a
    token that was exchanged. So the end is now, or, for old news, a day after the event; never in the future.
    """
    stamp = event.body.get("event_timestamp")
    usable = isinstance(stamp, int | float) and not isinstance(stamp, bool) and 0 < stamp <= now
    happened = float(stamp) if usable and isinstance(stamp, int | float) else float(issued_at)
    return min(now, happened + LONGEST_CREDENTIAL)


def said_reason(event: Event) -> str:
    """The transmitter's own words for administrators, cleaned for the record; they decide nothing."""
    said = event.body.get("reason_admin")
    if isinstance(said, dict):
        said = said.get("en") or next(iter(said.values()), "")
    text = said if isinstance(said, str) else ""
    return "".join(one if one.isprintable() else " " for one in text)[:200].strip()


def _always(what: What) -> _Judge:
    return lambda _: what


def _unless(name: str, harmless: Mapping[str, What], otherwise: What) -> _Judge:
    """By this member: what is known to be harmless is; everything else, and nothing, is not."""

    def judge(body: Mapping[str, Json]) -> What:
        value = body.get(name)
        return harmless.get(value.lower(), otherwise) if isinstance(value, str) else otherwise

    return judge


def _credential(body: Mapping[str, Json]) -> What:
    change = body.get("change_type")
    if not isinstance(change, str):
        raise SetRefused("invalid_request", "a `credential-change` has a `change_type`")
    return "nothing" if change in {"create", "update"} else "revoke"


_JUDGES: dict[str, _Judge] = {
    f"{CAEP}session-revoked": _always("revoke"),
    f"{CAEP}credential-change": _credential,
    # nothing of a claim is remembered here beyond who somebody is
    f"{CAEP}token-claims-change": _always("nothing"),
    f"{CAEP}assurance-level-change": _unless("change_direction", {"increase": "nothing"}, "freeze"),
    f"{CAEP}risk-level-change": _unless("current_level", {"low": "nothing", "medium": "nothing"}, "freeze"),
    f"{CAEP}device-compliance-change": _unless("current_status", {"compliant": "nothing"}, "freeze"),
    f"{CAEP}session-established": _always("nothing"),
    f"{CAEP}session-presented": _always("nothing"),
    f"{RISC}account-disabled": _always("revoke"),
    f"{RISC}account-purged": _always("revoke"),
    f"{RISC}account-credential-change-required": _always("revoke"),
    f"{RISC}credential-compromise": _always("revoke"),
    f"{RISC}sessions-revoked": _always("revoke"),
    # it lets nobody in again: who is ended is brought back by a person
    f"{RISC}account-enabled": _always("nothing"),
    f"{SSF}verification": _always("heartbeat"),
    f"{SSF}stream-updated": _always("stream"),
}
