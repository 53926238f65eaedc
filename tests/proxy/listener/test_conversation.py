"""Requests on one connection, driven by hand. test_connection.py has them with real sockets."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events

from proxy.listener.agent_reader import MAX_AHEAD
from proxy.listener.canonical import Place
from proxy.listener.conversation import Conversation
from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.wire import Abort, Ask, Expired, Finish, Told
from proxy.stages import Destination
from tests.fakes.gate import FakeGate

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


class Bench:
    """A conversation without sockets: events in, commands out."""

    def __init__(self) -> None:
        self.gate = FakeGate(place=Destination("http", "a.test", 80))
        self.client = Client(peername=("p", 1), sockname=("s", 2), state=ConnectionState.OPEN)
        self.session = Session(
            "c", "p", GuardedGate(self.gate, 1), ListenerOptions(ca_directory=Path("x")), lambda: 0.0
        )
        place = Place("connect", "http", "a.test", 80)
        self.conversation = Conversation(GovernedContext(self.client), place, self.session, None)
        self.put(events.Start())

    def put(self, event: events.Event) -> list[commands.Command]:
        return list(self.conversation.handle_event(event))

    def say(self, data: bytes) -> list[commands.Command]:
        return self.put(events.DataReceived(self.client, data))

    def tell(self, ask: commands.Command) -> list[commands.Command]:
        assert isinstance(ask, Ask)
        work: Coroutine[Any, Any, object] = ask.question()
        return self.put(Told(ask, asyncio.run(work)))


def sent(orders: list[commands.Command]) -> bytes:
    return b"".join(order.data for order in orders if isinstance(order, commands.SendData))


def test_nothing_happens_before_the_gate_has_answered() -> None:
    """The only thing that a request leads to is the question."""
    bench = Bench()
    (ask,) = bench.say(GET)
    assert isinstance(ask, Ask)
    (opening,) = bench.tell(ask)
    assert isinstance(opening, commands.OpenConnection)


def test_no_answer_is_a_refusal() -> None:
    """A question that comes back with nothing is answered with 503."""
    bench = Bench()
    (ask,) = bench.say(GET)
    assert isinstance(ask, Ask)
    assert sent(bench.put(Told(ask, None))).startswith(b"HTTP/1.1 503 ")


def test_an_agent_that_leaves_is_noticed_while_the_gate_is_asked() -> None:
    """Its question is cancelled at once, and a release that comes all the same is given back."""
    bench = Bench()
    (ask,) = bench.say(GET)
    bench.client.state = ConnectionState.CAN_WRITE
    assert bench.put(events.ConnectionClosed(bench.client)) == []
    orders = bench.tell(ask)
    assert not [order for order in orders if isinstance(order, commands.OpenConnection)]
    assert isinstance(orders[-1], Abort)
    assert [reason for _, reason in bench.gate.never_sent] == ["client_disconnected"]


def test_flooding_while_the_gate_is_asked() -> None:
    """Bytes are counted while they wait, and too many end the connection."""
    bench = Bench()
    (ask,) = bench.say(GET)
    assert bench.say(b"x" * (MAX_AHEAD + 1)) == []
    assert isinstance(bench.tell(ask)[-1], Abort)
    assert bench.gate.answers == []


def test_late_requests() -> None:
    """A request that was begun is told that it is late; an idle connection is only closed."""
    bench = Bench()
    assert isinstance(bench.put(Expired())[-1], Finish)
    bench = Bench()
    bench.say(b"GET / HT")
    (ask,) = bench.put(Expired())
    orders = bench.tell(ask)
    assert sent(orders).startswith(b"HTTP/1.1 408 ")
    assert isinstance(orders[-1], Finish)


def test_an_expiry_while_we_are_working_is_not_the_agents_fault() -> None:
    """Nothing happens to an agent that waits for us."""
    bench = Bench()
    (ask,) = bench.say(GET)
    bench.tell(ask)
    assert bench.put(Expired()) == []
