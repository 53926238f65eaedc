"""The layer that speaks HTTP/2 with an agent, inside the TLS of its tunnel.

Whatever is wrong with one request ends its stream; whatever is wrong with the protocol, or floods us, is recorded and
ends the connection.
"""

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from mitmproxy.proxy import commands, events, layer

from proxy.errors import Refusal
from proxy.listener.canonical import Place
from proxy.listener.http2.calls import Calls
from proxy.listener.http2.frames import Broken, Frames
from proxy.listener.http2.meter import Flood
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.wire import Abort, Draining, Expired, Finish, Inquiry, Swept, Told

BROKEN = Refusal("malformed_request", 400, "This is not well-formed HTTP/2.", "fix_request")
FLOODED = Refusal("flooded", 429, "The connection sent more control frames, or took back more requests, than it may.")


class Multiplex(layer.Layer):
    """From the end of the handshake to the end of the connection."""

    def __init__(self, context: GovernedContext, place: Place, session: Session) -> None:
        super().__init__(context)
        session.multiplexed = True
        self._agent = context.client
        self._session = session
        self._frames = Frames(session.options, session.clock)
        self._calls = Calls(context, place, session, self._frames)
        self._idle_until = session.deadline
        self._last_words: Inquiry | None = None
        self._over = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        closing = self._closing_after(event)
        if not self._over:
            self._calls.settle()
            if self._session.busy and not self._calls:
                closing = closing or self._became_idle()
        orders, self._calls.orders = self._calls.orders, []
        yield from orders
        if data := self._frames.take():
            yield commands.SendData(self._agent, data)
        if closing is not None:
            self._over = True
            yield closing

    def _closing_after(self, event: events.Event) -> commands.Command | None:
        """Acts on the event. How the connection ends because of it, if it does."""
        if isinstance(event, Told):
            return self._told(event)
        agent = isinstance(event, events.ConnectionEvent) and event.connection is self._agent
        if isinstance(event, events.CommandCompleted | events.ConnectionEvent) and not agent:
            self._calls.upstream(event)
        elif self._over:
            return None
        elif isinstance(event, events.DataReceived):
            return self._received(event.data)
        elif isinstance(event, events.ConnectionClosed):
            return self._agent_left()
        elif isinstance(event, Swept):
            return self._swept(event.now)
        elif isinstance(event, Expired):
            return self._finish()
        elif isinstance(event, Draining):
            self._frames.goaway(ErrorCodes.NO_ERROR)
            return None if self._calls else Finish(self._agent)
        return None

    # --- the agent ----------------------------------------------------------------------------------

    def _received(self, data: bytes) -> commands.Command | None:
        try:
            for event in self._frames.receive(data):
                if isinstance(event, ConnectionTerminated):
                    return self._agent_left()
                self._happened(event)
        except Broken:
            self._give_up(BROKEN, None)
        except Flood:
            self._give_up(FLOODED, ErrorCodes.ENHANCE_YOUR_CALM)
        if not self._session.busy:
            self._wait_for_a_request()
        return None

    def _wait_for_a_request(self) -> None:
        """Until the idle time is over, or, if something has begun to arrive, for as long as a head may take."""
        unfinished = self._frames.meter.unfinished
        deadlines = [self._idle_until] if self._idle_until is not None else []
        if unfinished is not None:
            deadlines.append(unfinished + self._session.options.header_timeout)
        self._session.deadline = min(deadlines, default=None)

    def _happened(self, event: Event) -> None:
        calls = self._calls
        if isinstance(event, RequestReceived):
            calls.begin(event)
        elif isinstance(event, DataReceived):
            calls.received(event)
        elif isinstance(event, TrailersReceived):
            calls.trailers(event.stream_id)
        elif isinstance(event, StreamEnded):
            calls.ended(event.stream_id)
        elif isinstance(event, StreamReset):
            calls.reset(event.stream_id)

    def _agent_left(self) -> commands.Command:
        """No more answers: the library sends nothing after the agent's goodbye, whatever it still waits for."""
        busy = bool(self._calls)
        self._calls.abandon("client_disconnected")
        self._over = True
        return Abort(self._agent) if busy else commands.CloseConnection(self._agent)

    # --- the end ------------------------------------------------------------------------------------

    def _give_up(self, refusal: Refusal, code: ErrorCodes | None) -> None:
        """The rest of what the agent sends is unsafe to read. First this is recorded, then the connection ends."""
        self._over = True
        self._calls.abandon(refusal.reason)
        if code is not None:
            self._frames.goaway(code)
        session = self._session
        self._last_words = Inquiry(lambda: session.refuse(refusal, "HTTP/2 connection"))
        self._calls.orders.append(self._last_words)

    def _told(self, event: Told) -> commands.Command | None:
        if event.command is self._last_words:
            return Finish(self._agent)
        self._calls.told(event)
        return None

    def _swept(self, now: float) -> commands.Command | None:
        self._calls.sweep(now)
        unfinished, patience = self._frames.meter.unfinished, self._session.options.body_timeout
        return self._finish() if unfinished is not None and now - unfinished >= patience else None

    def _finish(self) -> commands.Command:
        """The agent took too long."""
        self._calls.abandon("client_too_slow")
        self._frames.goaway(ErrorCodes.NO_ERROR)
        self._over = True
        return Finish(self._agent)

    def _became_idle(self) -> commands.Command | None:
        session = self._session
        session.busy = False
        session.expect_within(session.options.idle_timeout)
        self._idle_until = session.deadline
        self._wait_for_a_request()
        return Finish(self._agent) if session.draining else None
