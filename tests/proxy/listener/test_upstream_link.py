"""The socket of an upstream connection."""

import asyncio

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


def test_everything_is_told_and_the_end_once() -> None:
    """Bytes, backpressure, and one end."""
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    one = released(Arrived("call_1", 0.0, "c", "connect", "p", request), request)
    server = GovernedServer(Permit(one, Destination("http", "a.test", 80)))
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
