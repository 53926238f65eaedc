"""Calls without sockets: frames in, commands out. test_multiplex.py has them with real sockets."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, ResponseReceived, StreamEnded
from h2.events import Event as Happened
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events

from proxy.listener.canonical import Place
from proxy.listener.guarded import GuardedGate
from proxy.listener.http2.calls import Calls
from proxy.listener.http2.frames import Frames
from proxy.listener.options import ListenerOptions
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.wire import Inquiry, Throttle, Told
from proxy.stages import Destination
from tests.fakes.gate import FakeGate


class Bench:
    """Calls whose agent and upstream are the test."""

    def __init__(self) -> None:
        self.gate = FakeGate(place=Destination("http", "a.test", 80))
        options = ListenerOptions(ca_directory=Path("x"))
        self.session = Session("c", "p", GuardedGate(self.gate, 1), options, lambda: 0.0)
        self.session.multiplexed = True
        client = Client(peername=("p", 1), sockname=("s", 2), state=ConnectionState.OPEN)
        self.frames = Frames(options, lambda: 0.0)
        self.calls = Calls(GovernedContext(client), Place("connect", "https", "a.test", 443), self.session, self.frames)
        self.agent = H2Connection(H2Configuration())
        self.agent.initiate_connection()
        self.hear()

    def hear(self) -> None:
        for event in self.frames.receive(self.agent.data_to_send()):
            if isinstance(event, RequestReceived):
                self.calls.begin(event)
            elif isinstance(event, StreamEnded):
                self.calls.ended(event.stream_id)
        self.calls.settle()

    def say(self) -> list[Happened]:
        self.calls.settle()
        return self.agent.receive_data(self.frames.take())

    def orders(self) -> list[commands.Command]:
        orders, self.calls.orders = self.calls.orders, []
        return orders

    def ask(self, number: int) -> Inquiry:
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", f"/{number}")]
        self.agent.send_headers(number, fields, end_stream=True)
        self.hear()
        (question,) = self.orders()
        assert isinstance(question, Inquiry)
        return question

    def tell(self, question: Inquiry) -> list[commands.Command]:
        work: Coroutine[Any, Any, object] = question.question()
        self.calls.told(Told(question, asyncio.run(work)))
        self.calls.settle()
        return self.orders()

    def connect(self, opening: commands.Command, error: str | None = None) -> list[commands.Command]:
        assert isinstance(opening, commands.OpenConnection)
        opening.connection.state = ConnectionState.CLOSED if error else ConnectionState.OPEN
        self.calls.upstream(events.OpenConnectionCompleted(opening, error))
        self.calls.settle()
        return self.orders()

    def deliver(self, sent: commands.Command, data: bytes) -> list[commands.Command]:
        assert isinstance(sent, commands.SendData)
        self.calls.upstream(events.DataReceived(sent.connection, data))
        self.calls.settle()
        return self.orders()


def test_nothing_happens_before_the_gate_has_answered() -> None:
    """Of two requests, each leads to its question, and only the one that is released to a connection."""
    bench = Bench()
    first, second = bench.ask(1), bench.ask(3)
    (opening,) = bench.tell(second)
    (sent,) = bench.connect(opening)
    assert isinstance(sent, commands.SendData)
    assert sent.data.startswith(b"GET /3 ")
    assert len(bench.gate.calls) == 1
    assert bench.orders() == []
    bench.calls.told(Told(first, None))
    answers = [event for event in bench.say() if isinstance(event, ResponseReceived)]
    assert [(event.stream_id, dict(event.headers)[b":status"]) for event in answers] == [(1, b"503")]


def test_each_call_has_its_own_permit() -> None:
    """When one of two calls is over, what it was permitted ends, and the other's does not."""
    bench = Bench()
    one, other = (bench.connect(bench.tell(bench.ask(number))[0])[0] for number in (1, 3))
    assert len(bench.session.permits._valid) == 2
    bench.deliver(one, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert [permit.released.upstream.path for permit in bench.session.permits._valid] == ["/3"]
    bench.deliver(other, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert bench.session.permits._valid == set()
    assert len(bench.calls) == 0


def test_a_release_whose_access_has_ended_meanwhile() -> None:
    """It is not sent, even on a connection that is open already."""
    bench = Bench()
    question = bench.ask(1)
    (opening,) = bench.tell(question)
    bench.gate.cut = "revoked"
    assert [order for order in bench.connect(opening) if isinstance(order, commands.SendData)] == []
    assert [reason for _, reason in bench.gate.never_sent] == ["revoked"]


def test_a_slow_agent_holds_its_own_upstream() -> None:
    """Beyond what may be gathered its upstream is not read any more, and is read on when the agent takes more."""
    bench = Bench()
    (sent,) = bench.connect(bench.tell(bench.ask(1))[0])
    orders = bench.deliver(sent, b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 150_000)
    assert [order.hold for order in orders if isinstance(order, Throttle)] == [True]
    assert bench.gate.answers == []
    got = sum(len(event.data) for event in bench.say() if isinstance(event, DataReceived))
    assert got == 65_535
    bench.agent.increment_flow_control_window(200_000)
    bench.agent.increment_flow_control_window(200_000, 1)
    bench.hear()
    assert [order.hold for order in bench.orders() if isinstance(order, Throttle)] == [False]


def test_an_answer_is_complete_when_the_agent_could_take_it() -> None:
    """Not when the upstream has sent it: an agent that leaves before that did not get it."""
    bench = Bench()
    (sent,) = bench.connect(bench.tell(bench.ask(1))[0])
    bench.deliver(sent, b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000)
    assert bench.gate.answers == []
    bench.calls.reset(1)
    assert [(a.status, a.error) for a in bench.gate.answers] == [(0, "client_disconnected")]


def test_bytes_that_nobody_asked_for() -> None:
    """An upstream that goes on talking after its answer is closed, and not used again."""
    bench = Bench()
    (sent,) = bench.connect(bench.tell(bench.ask(1))[0])
    bench.deliver(sent, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
    assert any(isinstance(order, commands.CloseConnection) for order in bench.deliver(sent, b"HTTP/1.1 200 OK\r\n"))
    (opening,) = bench.tell(bench.ask(3))
    assert isinstance(opening, commands.OpenConnection)


def test_the_end_of_everything() -> None:
    """Abandoned calls are accounted for once each, wherever they were: asked about, connecting, answering."""
    bench = Bench()
    bench.connect(bench.tell(bench.ask(1))[0])
    bench.tell(bench.ask(3))
    asked = bench.ask(5)
    bench.calls.abandon("over")
    assert [(a.error, a.sent) for a in bench.gate.answers] == [("over", True)]
    assert [reason for _, reason in bench.gate.never_sent] == ["over"]
    bench.tell(asked)
    assert [reason for _, reason in bench.gate.never_sent] == ["over", "over"]
    assert bench.session.permits._valid == set()
