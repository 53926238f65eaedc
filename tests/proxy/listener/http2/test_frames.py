"""Frames without sockets: what the windows let out, and in which order."""

from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded

from proxy.listener.http2.frames import FRAME, MAX_STREAMS, Broken, Frames
from proxy.listener.http2.meter import Flood
from proxy.listener.options import ListenerOptions

GET = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/")]
OK = [(b":status", b"200")]


class Pair:
    """Our side, and an agent's."""

    def __init__(self) -> None:
        self.frames = Frames(ListenerOptions(ca_directory=Path("x")), lambda: 0.0)
        self.agent = H2Connection(H2Configuration())
        self.agent.initiate_connection()
        self.speak()
        self.listen()

    def speak(self) -> list[Event]:
        return list(self.frames.receive(self.agent.data_to_send()))

    def listen(self) -> list[Event]:
        return self.agent.receive_data(self.frames.take())

    def ask(self, number: int) -> None:
        self.agent.send_headers(number, GET, end_stream=True)
        assert any(isinstance(event, RequestReceived) for event in self.speak())

    def bytes_of(self, number: int) -> int:
        return sum(len(e.data) for e in self.listen() if isinstance(e, DataReceived) and e.stream_id == number)


def test_an_answer_waits_for_room() -> None:
    """No more is sent than the agent has room for; the rest is counted, and goes when there is room."""
    pair = Pair()
    pair.ask(1)
    pair.frames.head(1, OK)
    pair.frames.body(1, b"x" * 100_000)
    pair.frames.end(1)
    assert pair.frames.flush() == ([], [])
    assert dict(pair.frames.queued()) == {1: 100_000 - 65_535}
    assert pair.bytes_of(1) == 65_535
    pair.agent.increment_flow_control_window(50_000)
    pair.agent.increment_flow_control_window(50_000, 1)
    pair.speak()
    assert pair.frames.flush() == ([1], [])
    assert dict(pair.frames.queued()) == {}
    events = pair.listen()
    assert sum(len(event.data) for event in events if isinstance(event, DataReceived)) == 100_000 - 65_535
    assert isinstance(events[-1], StreamEnded)


def test_streams_take_turns() -> None:
    """A large answer does not use up the connection's window before a later one gets its frame."""
    pair = Pair()
    pair.ask(1)
    pair.ask(3)
    for number in (1, 3):
        pair.frames.head(number, OK)
        pair.frames.body(number, b"x" * 100_000)
    pair.frames.flush()
    events = [event for event in pair.listen() if isinstance(event, DataReceived)]
    assert [(event.stream_id, len(event.data)) for event in events[:3]] == [(1, FRAME), (3, FRAME), (1, FRAME)]


def test_an_answer_without_a_body() -> None:
    """It ends all the same, and needs no window."""
    pair = Pair()
    pair.ask(1)
    pair.frames.head(1, OK)
    pair.frames.end(1)
    assert pair.frames.flush() == ([1], [])
    assert isinstance(pair.listen()[-1], StreamEnded)


def test_a_stream_that_is_gone() -> None:
    """What is to be sent on a stream that the agent has reset is not sent, and the others are not touched."""
    pair = Pair()
    pair.ask(1)
    pair.ask(3)
    pair.agent.reset_stream(1)
    pair.speak()
    pair.frames.head(1, OK)
    pair.frames.body(1, b"x")
    pair.frames.interim(1)
    pair.frames.open_window(10, 1)
    pair.frames.reset(1, ErrorCodes.CANCEL)
    pair.frames.head(3, OK)
    pair.frames.end(3)
    assert pair.frames.flush() == ([3], [1])


def test_goodbye_leaves_streams_be() -> None:
    """After GOAWAY the answers to what was begun still go out."""
    pair = Pair()
    pair.ask(1)
    pair.frames.goaway(ErrorCodes.NO_ERROR)
    pair.frames.head(1, OK)
    pair.frames.body(1, b"hi")
    pair.frames.end(1)
    assert pair.frames.flush() == ([1], [])
    raw = pair.frames.take()
    assert b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0" in raw
    assert b"hi" in raw


def test_what_agents_are_told() -> None:
    """A hundred streams, ordinary windows, no more fields than we read, and no push."""
    settings = Pair().agent.remote_settings
    assert settings.max_concurrent_streams == MAX_STREAMS == 100
    assert settings.initial_window_size == 65_535
    assert settings.max_header_list_size == 65_536
    assert settings.enable_push == 0


def test_an_agent_does_not_choose_how_much_we_remember() -> None:
    """A table of fields as large as the agent wishes, or settings without end, are not kept."""
    pair = Pair()
    pair.agent.update_settings({1: 2**31})
    pair.speak()
    assert pair.frames._connection.encoder.header_table_size == 4096
    pair.agent.update_settings(dict.fromkeys(range(100, 200), 1))
    with pytest.raises(Flood):
        pair.speak()


def test_nonsense() -> None:
    """What is not HTTP/2 is Broken, and the goodbye is there to be sent."""
    pair = Pair()
    with pytest.raises(Broken):
        list(pair.frames.receive(b"\0\0\0\x01\0\0\0\0\0"))
    assert pair.frames.take()[3] == 7
