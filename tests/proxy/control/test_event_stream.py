"""Events in the form that browsers read."""

import asyncio
import json

from proxy.control.event_stream import lines
from proxy.control.events import Event
from tests.fakes.control_house import House


def test_an_event_says_what_changed_and_never_its_contents(house: House) -> None:
    """A hold's event has its id, state, version and agent; no argument, no card."""

    async def scenario() -> None:
        view = await house.hold({"secret": "do-not-tell"})
        text = lines(Event(7, "run-7", "hold.created", view)).decode()
        assert text.startswith("id: run-7\nevent: hold.created\ndata: ")
        assert text.endswith("\n\n")
        assert json.loads(text.splitlines()[2].removeprefix("data: ")) == {
            "hold": view.id,
            "state": "pending",
            "row_version": view.row_version,
            "agent": "support-bot",
        }
        assert "do-not-tell" not in text

    asyncio.run(scenario())


def test_a_call_cannot_break_out_of_its_line() -> None:
    """Line breaks in data are escaped, so an event is never two."""
    text = lines(Event(1, "r-1", "call.changed", {"call": "c\n\ndata: x", "ending": "held", "agent": "a\r"})).decode()
    assert text.count("\n") == 4
    assert "\r" not in text


def test_silence_is_a_comment() -> None:
    """A heartbeat keeps the connection and tells nothing."""
    assert lines(None) == b": still here\n\n"
    assert lines(Event(1, "r-1", "resync", None)) == b"id: r-1\nevent: resync\ndata: {}\n\n"
