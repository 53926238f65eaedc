"""HTTP for people, over TCP: who connects must also ask, and soon, or a few scripts could keep everybody out."""

import asyncio
from asyncio import Transport

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 1000
WHOLE_REQUEST_WITHIN = 15.0


class PublicProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which by itself waits for ever for the rest of a request, of however many clients."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._expect_request()

    def on_response_complete(self) -> None:
        """The next request has as long as the first."""
        super().on_response_complete()
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(WHOLE_REQUEST_WITHIN, self._enough)

    def _enough(self) -> None:
        """What has been read whole is being answered, for as long as that takes; the rest has had its time."""
        if self.conn.their_state in {h11.IDLE, h11.SEND_BODY}:
            self.transport.abort()
