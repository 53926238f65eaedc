"""One agent connection's requests, one after the other: read, judged, sent on if released, answered.

The order is: the request has one meaning, or is refused; the gate is asked; only for a `Released` a permit comes
into force; only under a permit something is sent upstream. Every other way through this file ends in a refusal or
in a closed connection.
"""

import time
from collections.abc import Callable
from enum import Enum, auto

from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer

from proxy.errors import Refusal, Refused
from proxy.listener.agent_reader import MAX_AHEAD, AgentReader, End
from proxy.listener.answer import own_reply
from proxy.listener.canonical import Incoming, Place
from proxy.listener.exchange import Exchange, Passed
from proxy.listener.head import UpstreamFault
from proxy.listener.permit import Permit
from proxy.listener.problem import UNAVAILABLE, problem
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.streaming import Cut
from proxy.listener.upstreams import Upstreams
from proxy.listener.websocket import Relay, relayed
from proxy.listener.wire import Abort, Ask, Become, Delivered, Ended, Expired, Finish, Reached
from proxy.stages import Arrived, Released, Reply
from telemetry.ids import new_id

LATE = Refusal("request_timeout", 408, "The request did not arrive in time.", "retry")
ENDED = Refusal("access_ended", 403, "This agent's access has ended. Stop, and report it.")


type MakeTunnel = Callable[[str, int], layer.Layer]  # absent where there must be none


class Phase(Enum):
    READING = auto()
    DECIDING = auto()
    CONNECTING = auto()
    ANSWERING = auto()
    RELAYING = auto()
    OVER = auto()


class Conversation(layer.Layer):
    """The layer between an agent (in plain text: below TLS, if there is any) and its upstreams."""

    def __init__(self, context: GovernedContext, place: Place, session: Session, tunnel: MakeTunnel | None) -> None:
        super().__init__(context)
        self._tunnel = tunnel
        self._relay: Relay | None = None
        self._agent = context.client
        self._session = session
        self._reader = AgentReader(place, session.peer, session.options)
        self._upstreams = Upstreams(context, session)
        self._phase = Phase.READING
        self._incoming: Incoming | None = None
        self._body: list[bytes] = []
        self._exchange: Exchange | None = None
        self._question: Ask | None = None
        self._ahead = 0
        self._left = False

    # --- events ---------------------------------------------------------------------------------

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """While the gate is asked, events wait; but an agent that leaves, or floods us, is noticed at once."""
        if self._paused and isinstance(event, events.ConnectionEvent) and event.connection is self._agent:
            if isinstance(event, events.DataReceived):
                self._ahead += len(event.data)
            if isinstance(event, events.ConnectionClosed) or self._ahead > MAX_AHEAD:
                self._left = True
                if self._question is not None:
                    self._question.cancel()
        return super().handle_event(event)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            if event.connection is self._agent:
                yield from self._agent_sent(event.data)
            else:
                yield from self._handle(self._upstreams.received(event))
        elif isinstance(event, events.ConnectionClosed):
            if event.connection is self._agent:
                yield from self._agent_closed()
            else:
                yield from self._handle(self._upstreams.received(event))
        elif isinstance(event, events.CommandCompleted):
            yield from self._handle(self._upstreams.completed(event))
        elif isinstance(event, Expired):
            yield from self._expired()

    def _agent_sent(self, data: bytes) -> layer.CommandGenerator[None]:
        if self._phase is Phase.RELAYING:
            yield from self._relayed(events.DataReceived(self._agent, data))
            return
        if self._phase is Phase.OVER:
            return
        fresh = not self._reader.begun
        try:
            self._reader.feed(data)
        except Refused:
            yield from self._give_up("flooded")
            return
        if fresh and self._phase is Phase.READING:
            self._session.expect_within(self._session.options.header_timeout)
        yield from self._progress()

    def _agent_closed(self) -> layer.CommandGenerator[None]:
        if self._phase is Phase.RELAYING:
            yield from self._relayed(events.ConnectionClosed(self._agent))
        if self._phase is Phase.READING and not self._reader.begun:
            self._phase = Phase.OVER
            yield commands.CloseConnection(self._agent)
        elif self._phase is not Phase.OVER:
            yield from self._give_up("client_disconnected")

    def _give_up(self, reason: str) -> layer.CommandGenerator[None]:
        """Nobody waits for an answer any more, or nobody may have one."""
        self._phase = Phase.OVER
        self._session.abandon(reason)
        yield from self._handle(self._upstreams.hang_up())
        yield Abort(self._agent)

    def _expired(self) -> layer.CommandGenerator[None]:
        if self._phase is not Phase.READING:
            return
        if self._reader.begun:
            yield from self._refuse(LATE)
        else:
            self._phase = Phase.OVER
            yield Finish(self._agent)

    # --- a request ------------------------------------------------------------------------------

    def _progress(self) -> layer.CommandGenerator[None]:
        """Reads as far as there is something to read and nothing to wait for."""
        while self._phase is Phase.READING:
            try:
                item = self._reader.next_item()
            except Refused as refused:
                yield from self._refuse(refused.refusal)
                return
            if item is None:
                return
            if isinstance(item, Incoming):
                yield from self._begin(item)
            elif item is End.MESSAGE:
                assert self._incoming is not None
                yield from self._decide(self._incoming)
            else:
                self._body.append(item)

    def _begin(self, incoming: Incoming) -> layer.CommandGenerator[None]:
        self._session.busy = True
        self._incoming = incoming
        self._body = []
        if incoming.length != 0:
            self._session.expect_within(self._session.options.body_timeout)
        # Only someone whose identity is bound to the connection is asked to send on. The others find out for
        # themselves: a client must not wait for this for ever (RFC 9110 section 10.1.1).
        if incoming.expects_continue and incoming.entrance == "connect" and self._session.still_allowed() is None:
            yield commands.SendData(self._agent, b"HTTP/1.1 100 Continue\r\n\r\n")

    def _decide(self, incoming: Incoming) -> layer.CommandGenerator[None]:
        self._phase = Phase.DECIDING
        self._session.expect_within(None)
        if incoming.is_tunnel:
            yield from self._admit_tunnel(incoming)
            return
        gate, arrived = self._session.gate, self._arrived(incoming)
        evidence = self._session.evidence(incoming.evidence)
        verdict = yield from self._ask(Ask(lambda: gate.admit_call(arrived, evidence)))
        if isinstance(verdict, Released):
            yield from self._forward(verdict, incoming)
        else:
            yield from self._reply(verdict if isinstance(verdict, Reply) else problem(UNAVAILABLE))

    def _arrived(self, incoming: Incoming) -> Arrived:
        return Arrived(
            call_id=new_id("call"),
            at=time.time(),
            connection=self._session.connection,
            entrance=incoming.entrance,
            peer=self._session.peer,
            request=incoming.request(b"".join(self._body)),
            service_hint=incoming.service_hint,
            traceparent=incoming.traceparent,
        )

    def _ask(self, question: Ask) -> layer.CommandGenerator[object]:
        self._question, self._ahead = question, 0
        answer = yield question
        self._question = None
        return answer

    def _admit_tunnel(self, incoming: Incoming) -> layer.CommandGenerator[None]:
        session, host, port = self._session, incoming.draft.host, incoming.draft.port
        evidence, tunnel = session.evidence(incoming.evidence), self._tunnel
        assert evidence is not None
        assert tunnel is not None
        verdict = yield from self._ask(Ask(lambda: session.gate.admit_tunnel(session.connection, evidence, host, port)))
        if verdict is not None or self._left:
            yield from self._reply(verdict if isinstance(verdict, Reply) else problem(UNAVAILABLE))
            return
        self._phase = Phase.OVER
        session.busy = False
        session.expect_within(session.options.header_timeout)
        yield commands.SendData(self._agent, b"HTTP/1.1 200 Connection established\r\n\r\n")
        yield Become(lambda: tunnel(host, port), self._reader.rest())

    # --- answers of our own -----------------------------------------------------------------------

    def _refuse(self, refusal: Refusal) -> layer.CommandGenerator[None]:
        """For what could not become a request: recorded, answered, and the connection ends, for its rest is unsafe."""
        self._phase = Phase.DECIDING
        self._session.expect_within(None)
        draft = self._incoming.draft if self._incoming else None
        summary = f"{draft.method} {draft.authority}{draft.path}" if draft else "unreadable request"
        session = self._session
        reply = yield from self._ask(Ask(lambda: session.refuse(refusal, summary)))
        yield from self._reply(reply if isinstance(reply, Reply) else problem(refusal), close=True)

    def _reply(self, reply: Reply, *, close: bool = False) -> layer.CommandGenerator[None]:
        if self._left:
            yield from self._give_up("client_disconnected")
            return
        incoming = self._incoming
        close = close or not self._reader.complete or self._session.draining or incoming is None or incoming.close
        close = close or self._session.still_allowed() is not None  # whoever may not ask any more is told so, once
        method, version = (incoming.draft.method, incoming.version) if incoming else ("GET", "HTTP/1.1")
        yield commands.SendData(self._agent, own_reply(reply, method=method, version=version, close=close))
        yield from self._answered(close=close)

    def _answered(self, *, close: bool) -> layer.CommandGenerator[None]:
        """The answer has been passed on to its last byte."""
        self._incoming = None
        self._body = []
        self._exchange = None
        self._session.busy = False
        if close or self._session.draining:
            self._phase = Phase.OVER
            yield Finish(self._agent)
            return
        self._phase = Phase.READING
        self._reader.next_request()
        options = self._session.options
        self._session.expect_within(options.header_timeout if self._reader.begun else options.idle_timeout)

    # --- a released call --------------------------------------------------------------------------

    def _forward(self, released: Released, incoming: Incoming) -> layer.CommandGenerator[None]:
        session = self._session
        destination = session.gate.destination(released)
        if self._left or destination is None:
            session.gate.unsent(released, "client_disconnected" if self._left else "no_destination")
            yield from self._reply(session.gate.word(released, UNAVAILABLE))
            return
        account = session.released(Permit(released, destination))
        exchange = Exchange(account, incoming, session)
        refusal = exchange.prepare()
        if refusal is not None:
            account.fail(refusal.reason)
            yield from self._reply(exchange.word(refusal))
            return
        self._exchange = exchange
        server = self._upstreams.take(destination)
        if server is not None:
            yield from self._send(exchange, server)
            return
        self._phase = Phase.CONNECTING
        yield from self._handle(self._upstreams.open(account.permit))

    def _send(self, exchange: Exchange, server: Server) -> layer.CommandGenerator[None]:
        reason = self._session.still_allowed()
        if reason is not None:
            exchange.account.fail(reason)
            yield from self._handle(self._upstreams.give_back(server))
            yield from self._reply(exchange.word(ENDED))
            return
        self._phase = Phase.ANSWERING
        exchange.sending(server)
        yield from self._handle(self._upstreams.send(server, exchange.account.permit, exchange.raw))

    def _handle(self, orders: list[commands.Command]) -> layer.CommandGenerator[None]:
        """Acts on what the upstream layers report, and hands the rest of their commands on."""
        for order in orders:
            if isinstance(order, Delivered):
                yield from self._delivered(order)
            elif isinstance(order, Ended):
                yield from self._ended(order)
            elif isinstance(order, Reached):
                yield from self._reached(order)
            else:
                yield order

    def _reached(self, order: Reached) -> layer.CommandGenerator[None]:
        exchange = self._exchange
        if self._phase is not Phase.CONNECTING or exchange is None:
            yield from self._handle(self._upstreams.close(order.server))
        elif order.error is not None:
            self._upstreams.forget(order.server)
            yield from self._failed(exchange, order.error)
            yield from self._progress()
        else:
            yield from self._send(exchange, order.server)
            yield from self._progress()

    def _delivered(self, order: Delivered) -> layer.CommandGenerator[None]:
        exchange = self._exchange
        if exchange is None or exchange.server is not order.server:
            yield from self._handle(self._upstreams.close(order.server))  # nobody asked for this
        elif self._phase is Phase.RELAYING:
            yield from self._relayed(events.DataReceived(order.server, order.data))
        else:
            yield from self._answer(exchange, lambda: exchange.delivered(order.data))

    def _ended(self, order: Ended) -> layer.CommandGenerator[None]:
        exchange = self._exchange
        self._upstreams.forget(order.server)
        if exchange is not None and exchange.server is order.server:
            if self._phase is Phase.RELAYING:
                yield from self._relayed(events.ConnectionClosed(order.server))
            else:
                yield from self._answer(exchange, exchange.ended)

    def _answer(self, exchange: Exchange, step: Callable[[], Passed]) -> layer.CommandGenerator[None]:
        """Passes on what may be passed on, and ends the request when the answer is complete or broken."""
        try:
            passed = step()
        except (UpstreamFault, Cut) as fault:
            yield from self._failed(exchange, str(fault))
            yield from self._progress()
            return
        if passed.data:
            exchange.begun = True
            yield commands.SendData(self._agent, passed.data)
        if passed.switched:
            yield from self._switch(exchange)
        elif passed.done:
            if exchange.server is not None:
                leave = self._upstreams.give_back if exchange.reusable else self._upstreams.close
                yield from self._handle(leave(exchange.server))
            yield from self._answered(close=exchange.close)
            yield from self._progress()

    def _failed(self, exchange: Exchange, error: str) -> layer.CommandGenerator[None]:
        """No complete answer: the agent is told, or, if it has a part of one already, cut off."""
        sent = exchange.server is not None
        exchange.account.fail(error)
        if exchange.server is not None:
            yield from self._handle(self._upstreams.close(exchange.server))
        self._exchange = None
        if exchange.begun:
            self._phase = Phase.OVER
            yield Abort(self._agent)
        else:
            yield from self._reply(exchange.fault(error, sent=sent))

    # --- WebSocket ----------------------------------------------------------------------------------

    def _switch(self, exchange: Exchange) -> layer.CommandGenerator[None]:
        assert exchange.server is not None
        context = self.context.fork()
        context.server = exchange.server
        self._relay = Relay(context, exchange, self._session)
        self._phase = Phase.RELAYING
        yield from self._relayed(events.Start())
        for connection, data in ((self._agent, self._reader.rest()), (exchange.server, exchange.rest())):
            if data:
                yield from self._relayed(events.DataReceived(connection, data))

    def _relayed(self, event: events.Event) -> layer.CommandGenerator[None]:
        exchange, relay = self._exchange, self._relay
        assert exchange is not None
        assert exchange.server is not None
        assert relay is not None
        try:
            orders = relayed(relay, event)
        except Cut as cut:
            yield from self._give_up(str(cut))
            return
        for order in orders:
            if order.connection is self._agent:
                yield order
            elif isinstance(order, commands.SendData):
                yield from self._handle(self._upstreams.send(exchange.server, exchange.account.permit, order.data))
            else:
                yield from self._handle(self._upstreams.close(exchange.server))
        if relay.over:
            exchange.account.finish(101)
            self._exchange = None  # what its upstream still does is no failure of it any more
            self._phase = Phase.OVER
            yield Finish(self._agent)
