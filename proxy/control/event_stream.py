"""Changes in the form of server-sent events (WHATWG HTML, section 9.2)."""

import json

from policies.model import Json
from proxy.control.events import Event
from proxy.holds.view import HoldView


def lines(event: Event | None) -> bytes:
    """One event, or a comment that keeps the connection alive. It says what changed, never its contents."""
    if event is None:
        return b": still here\n\n"
    data = json.dumps(_told(event), separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.type}\ndata: {data}\n\n".encode()


def _told(event: Event) -> dict[str, Json]:
    match event.subject:
        case None:
            return {}
        case HoldView() as view:
            return {"hold": view.id, "state": view.state.value, "row_version": view.row_version, "agent": view.agent}
        case story:
            return {"call": story["call"], "ending": story["ending"], "agent": story["agent"]}
