"""The socket of an upstream connection."""

import asyncio
import socket

import pytest
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events

from proxy.listener.permit import Permit
from proxy.listener.profile import GovernedServer
from proxy.listener.upstream_link import UpstreamLink
from proxy.stages import Arrived, Destination, Request
from tests.fakes.gate import released


class Recorder:
    """An owner that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def pump(self, event: events.Event) -> None:
        self.told.append(type(event))

    def upstream_lost(self, link: UpstreamLink) -> None:
        self.told.append("lost")

    def hold_agent(self, *, hold: bool) -> None:
        self.told.append(hold)


class Wired(asyncio.Transport):
    """A transport over this socket."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})


def governed_server() -> GovernedServer:
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    one = released(Arrived("call_1", 0.0, "c", "connect", "p", request), request)
    return GovernedServer(Permit(one, Destination("http", "a.test", 80)))


def test_everything_is_told_and_the_end_once() -> None:
    """Bytes, backpressure, and one end."""
    server = governed_server()
    server.state = ConnectionState.OPEN
    owner = Recorder()
    link = UpstreamLink(owner, server)
    link.connection_made(asyncio.Transport())
    link.data_received(b"x")
    link.pause_writing()
    link.resume_writing()
    link.connection_lost(None)
    link.connection_lost(OSError())
    assert owner.told == [events.DataReceived, True, False, "lost"]
    assert server.state is ConnectionState.CLOSED


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="only Linux acknowledges at once on request")
def test_what_comes_is_acknowledged_at_once() -> None:
    """An upstream that waits for an acknowledgement before it sends the rest is not kept waiting 40 ms."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as sock,
    ):
        link = UpstreamLink(Recorder(), governed_server())
        link.connection_made(Wired(sock))
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        link.data_received(b"x")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK) == 1


@pytest.mark.parametrize(
    ("handshake", "answer", "overdue"), [(None, None, False), (5.0, None, True), (None, 5.0, True), (6.0, 7.0, False)]
)
def test_a_handshake_or_an_answer_that_takes_too_long(
    handshake: float | None, answer: float | None, overdue: bool
) -> None:
    """Either ends the connection at its time, and neither before."""
    server = governed_server()
    link = UpstreamLink(Recorder(), server)
    link.deadline, server.answer_by = handshake, answer
    assert link.overdue(5.0) is overdue


@pytest.mark.parametrize(("error", "broken"), [(None, False), (ConnectionResetError(), True)])
def test_a_reset_is_told_from_a_close(error: Exception | None, broken: bool) -> None:
    """Whoever waits for the rest of an answer must know which it was."""
    server = governed_server()
    UpstreamLink(Recorder(), server).connection_lost(error)
    assert server.broken is broken
