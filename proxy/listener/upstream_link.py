"""The socket of one upstream connection."""

import asyncio
from typing import Protocol

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events

from proxy.listener.profile import GovernedServer


class Owner(Protocol):
    """The agent connection behind which this upstream connection is."""

    def pump(self, event: events.Event) -> None: ...

    def upstream_lost(self, link: "UpstreamLink") -> None: ...

    def hold_agent(self, *, hold: bool) -> None: ...


class UpstreamLink(asyncio.Protocol):
    """Turns what the socket does into events. Has no say in anything."""

    def __init__(self, owner: Owner, server: GovernedServer) -> None:
        self.server = server
        self.deadline: float | None = None
        self.transport: asyncio.Transport | None = None
        self._owner = owner
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._owner.pump(events.DataReceived(self.server, data))

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - how it ended makes no difference
        if not self._lost:
            self._lost = True
            self.server.state = ConnectionState.CLOSED
            self._owner.upstream_lost(self)

    def pause_writing(self) -> None:
        self._owner.hold_agent(hold=True)

    def resume_writing(self) -> None:
        self._owner.hold_agent(hold=False)
