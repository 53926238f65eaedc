"""The socket of one upstream connection."""

import asyncio
import socket
from typing import Protocol

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import events

from proxy.listener.profile import GovernedServer

_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)


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
        self.held = False
        self.transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._owner = owner
        self._lost = False

    def overdue(self, now: float) -> bool:
        """Whether its handshake, or the answer that is waited for on it, has not got on for too long."""
        return any(by is not None and now >= by for by in (self.deadline, self.server.answer_by))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._socket = transport.get_extra_info("socket")
        self._acknowledge()

    def data_received(self, data: bytes) -> None:
        self._acknowledge()
        self._owner.pump(events.DataReceived(self.server, data))

    def _acknowledge(self) -> None:
        """Acknowledge at once what came and what comes next, since the kernel soon falls back to waiting 40 ms.

        An upstream that writes an answer in pieces and leaves Nagle's algorithm on sends each piece only when the
        one before is acknowledged; the tickets after a TLS handshake are such a piece, too.
        """
        if _QUICK_ACK is not None and self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self.server.broken = error is not None
            self.server.state = ConnectionState.CLOSED
            self._owner.upstream_lost(self)

    def pause_writing(self) -> None:
        self._owner.hold_agent(hold=True)

    def resume_writing(self) -> None:
        self._owner.hold_agent(hold=False)
