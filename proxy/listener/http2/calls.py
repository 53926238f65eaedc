"""The streams of one connection, each of them one call: read, judged, sent on if released, answered.

The order is that of `conversation`: a request has one meaning, or is refused; the gate is asked; only for a `Released`
a permit comes into force, one for each call; only under its permit something is sent upstream. No I/O: what is to be
done is left in `orders`, and what is to be sent to the agent in the frames.
"""

import time

from h2.errors import ErrorCodes
from h2.events import DataReceived, RequestReceived
from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events

from proxy.errors import Refusal, Refused
from proxy.listener.agent_reader import FREE_CHUNKS, SMALLEST_MEAN, too_large
from proxy.listener.canonical import Incoming, Place, canonical
from proxy.listener.conversation import ENDED, LATE
from proxy.listener.exchange import Passed
from proxy.listener.head import UpstreamFault, malformed
from proxy.listener.http2.answer import StreamExchange, reply_block
from proxy.listener.http2.frames import MAX_STREAMS, Frames
from proxy.listener.http2.head import read_stream_head
from proxy.listener.http2.stream import Phase, Stream
from proxy.listener.http2.uploads import Uploads
from proxy.listener.permit import Permit
from proxy.listener.problem import UNAVAILABLE, problem
from proxy.listener.profile import GovernedContext, GovernedServer
from proxy.listener.session import Session
from proxy.listener.streaming import Cut
from proxy.listener.upstreams import Orders, Upstreams
from proxy.listener.wire import Delivered, Ended, Inquiry, Reached, Throttle, Told
from proxy.stages import Arrived, Released, Reply
from telemetry.ids import new_id

TRAILERS = Refusal("trailers_refused", 400, "Requests with trailers are not passed on.", "fix_request")
UNANNOUNCED = Refusal("body_refused", 400, "A request of this kind must not have a body.", "fix_request")
WRONG_LENGTH = Refusal("framing_refused", 400, "The body has another length than it was said to have.", "fix_request")

# Of an answer that the agent does not take, so much is gathered before we stop reading it, and so little is left when
# we read on.
HIGH_WATER = 64 * 1024
LOW_WATER = 16 * 1024


class Calls:
    """All calls of one agent connection. After each event, `settle`."""

    def __init__(self, context: GovernedContext, place: Place, session: Session, frames: Frames) -> None:
        self.orders: Orders = []
        self._place = place
        self._session = session
        self._frames = frames
        self._upstreams = Upstreams(context, session)
        self._uploads = Uploads(frames, session.options.max_body_bytes)
        self._streams: dict[int, Stream] = {}
        self._asked: dict[commands.Command, Stream] = {}
        self._opening: dict[Permit, Stream] = {}
        self._answering: dict[Server, Stream] = {}
        self._held: set[Stream] = set()

    def __len__(self) -> int:
        return len(self._streams)

    # --- a request --------------------------------------------------------------------------------

    def begin(self, event: RequestReceived) -> None:
        """A request's head has come. Its stream ends with an answer, or is refused as one too many."""
        number, session = event.stream_id, self._session
        if session.draining or len(self._streams) >= MAX_STREAMS:
            self._frames.reset(number, ErrorCodes.REFUSED_STREAM)
            self._frames.meter.refused()
            return
        session.busy = True
        session.expect_within(None)
        stream = Stream(number, session.clock() + session.options.body_timeout)
        self._streams[number] = stream
        try:
            stream.incoming = incoming = self._read(event)
        except Refused as refused:
            self._refuse(stream, refused.refusal)
            return
        if incoming.expects_continue and session.still_allowed() is None:
            self._frames.interim(number)

    def _read(self, event: RequestReceived) -> Incoming:
        options = self._session.options
        head = read_stream_head(event.headers, self._place.scheme, options.max_header_bytes, options.max_header_count)
        # Whoever ends a GET with an empty frame of data has sent no body; one that is not empty is refused later.
        open_ended = event.stream_ended is None and head.method not in {"GET", "HEAD"}
        incoming = canonical(head, self._place, self._session.peer, open_ended=open_ended)
        if incoming.length is not None and incoming.length > options.max_body_bytes:
            raise too_large(options.max_body_bytes)
        return incoming

    def received(self, event: DataReceived) -> None:
        """A piece of a request's body."""
        self._uploads.received(event.flow_controlled_length)
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.phase is not Phase.READING:
            return
        assert stream.incoming is not None
        stream.size += len(event.data)
        stream.pieces += 1
        most = self._session.options.max_body_bytes
        if stream.size > most:
            self._refuse(stream, too_large(most).refusal)
        elif stream.size and stream.incoming.length == 0:
            self._refuse(stream, UNANNOUNCED)
        elif stream.pieces > FREE_CHUNKS and stream.size < stream.pieces * SMALLEST_MEAN:
            self._refuse(stream, malformed("The request's body comes in too many tiny frames.").refusal)
        else:
            stream.body.append(event.data)
            if event.stream_ended is None:
                self._uploads.reading(stream.number, event.flow_controlled_length, stream.incoming.length)

    def trailers(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is not None and stream.phase is Phase.READING:
            self._refuse(stream, TRAILERS)

    def ended(self, number: int) -> None:
        """The agent has sent all of this request."""
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.complete = True
        if stream.phase is Phase.READING:
            assert stream.incoming is not None
            if stream.incoming.length in {None, stream.size}:
                self._decide(stream)
            else:
                self._refuse(stream, WRONG_LENGTH)

    def reset(self, number: int) -> None:
        """The agent does not want this answer any more; raises Flood."""
        self._frames.meter.reset()
        stream = self._streams.get(number)
        if stream is not None:
            self._drop(stream, "client_disconnected")

    def _refuse(self, stream: Stream, refusal: Refusal) -> None:
        """For what could not become a call: recorded and answered. The connection's other streams are not touched."""
        draft = stream.incoming.draft if stream.incoming else None
        summary = f"{draft.method} {draft.authority}{draft.path}" if draft else "unreadable request"
        stream.body.clear()
        session = self._session
        self._ask(stream, Phase.REFUSING, Inquiry(lambda: session.refuse(refusal, summary)))

    def _decide(self, stream: Stream) -> None:
        incoming, session = stream.incoming, self._session
        assert incoming is not None
        arrived = Arrived(
            call_id=new_id("call"),
            at=time.time(),
            connection=session.connection,
            entrance=incoming.entrance,
            peer=session.peer,
            request=incoming.request(b"".join(stream.body)),
            service_hint=incoming.service_hint,
            traceparent=incoming.traceparent,
        )
        stream.body.clear()
        self._ask(stream, Phase.DECIDING, Inquiry(lambda: session.gate.admit_call(arrived, incoming.evidence)))

    def _ask(self, stream: Stream, phase: Phase, question: Inquiry) -> None:
        stream.phase = phase
        stream.deadline = None
        stream.question = question
        self._asked[question] = stream
        self.orders.append(question)

    def told(self, event: Told) -> None:
        """The gate's answer about one of the calls. Anything but a release is a refusal."""
        stream = self._asked.pop(event.command)
        stream.question = None
        verdict = event.reply
        if stream.gone:
            if isinstance(verdict, Released):
                self._session.gate.unsent(verdict, stream.gone)
            self._streams.pop(stream.number, None)
        elif isinstance(verdict, Released) and stream.phase is Phase.DECIDING:
            self._forward(stream, verdict)
        else:
            self._reply(stream, verdict if isinstance(verdict, Reply) else problem(UNAVAILABLE))

    # --- a released call ----------------------------------------------------------------------------

    def _forward(self, stream: Stream, released: Released) -> None:
        session = self._session
        destination = session.gate.destination(released)
        if destination is None:
            session.gate.unsent(released, "no_destination")
            self._reply(stream, session.gate.word(released, UNAVAILABLE))
            return
        assert stream.incoming is not None
        account = session.released(Permit(released, destination))
        stream.exchange = exchange = StreamExchange(account, stream.incoming, session)
        refusal = exchange.prepare()
        if refusal is not None:
            account.fail(refusal.reason)
            self._reply(stream, exchange.word(refusal))
            return
        server = self._upstreams.take(destination)
        if server is not None:
            self._send(stream, server)
            return
        stream.phase = Phase.CONNECTING
        self._opening[account.permit] = stream
        self._act(self._upstreams.open(account.permit))

    def _send(self, stream: Stream, server: Server) -> None:
        exchange = stream.exchange
        assert exchange is not None
        reason = self._session.still_allowed(exchange.account)
        if reason is not None:
            exchange.account.fail(reason)
            self._act(self._upstreams.give_back(server))
            self._reply(stream, exchange.word(ENDED))
            return
        stream.phase = Phase.ANSWERING
        stream.server = server
        self._answering[server] = stream
        raw, exchange.raw = exchange.raw, b""
        exchange.sending(server)
        self._act(self._upstreams.send(server, exchange.account.permit, raw))

    def upstream(self, event: events.Event) -> None:
        """Something has happened on an upstream connection, or a command about one is done."""
        if isinstance(event, events.CommandCompleted):
            self._act(self._upstreams.completed(event))
        elif isinstance(event, events.ConnectionEvent):
            self._act(self._upstreams.received(event))

    def _act(self, orders: Orders) -> None:
        """Acts on what the upstream layers report, and hands the rest of their commands on."""
        for order in orders:
            if isinstance(order, Delivered):
                self._delivered(order)
            elif isinstance(order, Ended):
                self._upstream_ended(order.server)
            elif isinstance(order, Reached):
                self._reached(order)
            else:
                self.orders.append(order)

    def _reached(self, order: Reached) -> None:
        server = order.server
        assert isinstance(server, GovernedServer)
        stream = self._opening.pop(server.permit)
        if order.error is not None:
            self._upstreams.forget(server)
        if stream.gone:
            self._streams.pop(stream.number, None)
            self._act(self._upstreams.close(server))
        elif order.error is not None:
            self._failed(stream, order.error)
        else:
            self._send(stream, server)

    def _delivered(self, order: Delivered) -> None:
        stream = self._answering.get(order.server)
        if stream is None or stream.exchange is None:
            self._act(self._upstreams.close(order.server))  # nobody asked for this
            return
        try:
            self._pass_on(stream, stream.exchange, stream.exchange.delivered(order.data))
        except (UpstreamFault, Cut) as fault:
            self._failed(stream, str(fault))

    def _upstream_ended(self, server: Server) -> None:
        self._upstreams.forget(server)
        stream = self._answering.get(server)
        if stream is None or stream.exchange is None:
            return
        try:
            self._pass_on(stream, stream.exchange, stream.exchange.ended())
        except (UpstreamFault, Cut) as fault:
            self._failed(stream, str(fault))

    def _pass_on(self, stream: Stream, exchange: StreamExchange, passed: Passed) -> None:
        if not exchange.begun and exchange.opening is not None:
            exchange.begun = True
            self._frames.head(stream.number, exchange.opening)
        self._frames.body(stream.number, passed.data)
        if passed.done:
            self._leave(stream, reusable=exchange.reusable)
            stream.phase = Phase.SENDING
            self._frames.end(stream.number)

    def _leave(self, stream: Stream, *, reusable: bool) -> None:
        """This stream has no more to do with its upstream connection."""
        server = stream.server
        if server is None:
            return
        stream.server = None
        del self._answering[server]
        if stream in self._held:
            self._held.discard(stream)
            self.orders.append(Throttle(server, hold=False))
        self._act(self._upstreams.give_back(server) if reusable else self._upstreams.close(server))

    def _failed(self, stream: Stream, error: str) -> None:
        """No complete answer: the agent is told, or, if it has a part of one already, its stream is cut off."""
        exchange = stream.exchange
        assert exchange is not None
        sent = stream.server is not None
        exchange.account.fail(error)
        self._leave(stream, reusable=False)
        if exchange.begun:
            self._frames.reset(stream.number, ErrorCodes.INTERNAL_ERROR)
            self._drop(stream, error)
        else:
            self._reply(stream, exchange.fault(error, sent=sent))

    # --- the end of a stream ------------------------------------------------------------------------

    def _reply(self, stream: Stream, reply: Reply) -> None:
        """An answer of our own."""
        stream.phase = Phase.SENDING
        block = reply_block(reply)
        head_only = stream.incoming is not None and stream.incoming.draft.method == "HEAD"
        self._frames.head(stream.number, block)
        if not head_only and reply.status not in {204, 304}:
            self._frames.body(stream.number, reply.body)
        self._frames.end(stream.number)

    def settle(self) -> None:
        """Sends what the agent has room for, and has those upstreams wait whose answers it does not take."""
        done, failed = self._frames.flush()
        for number in done:
            self._sent(self._streams[number])
        for number in failed:
            lost = self._streams.get(number)
            if lost is not None:
                self._frames.reset(number, ErrorCodes.INTERNAL_ERROR)
                self._drop(lost, "client_disconnected")
        for number, size in self._frames.queued():
            if size > HIGH_WATER:
                stream = self._streams[number]
                if stream.server is not None and stream not in self._held:
                    self._held.add(stream)
                    self.orders.append(Throttle(stream.server, hold=True))
        if self._held:
            queued = dict(self._frames.queued())
            for stream in [held for held in self._held if queued.get(held.number, 0) <= LOW_WATER]:
                self._held.discard(stream)
                assert stream.server is not None
                self.orders.append(Throttle(stream.server, hold=False))

    def _sent(self, stream: Stream) -> None:
        """The last byte of the answer is out. What the agent still sends of its request is not wanted any more."""
        if not stream.complete:
            self._frames.reset(stream.number, ErrorCodes.NO_ERROR)
        if stream.exchange is not None:
            stream.exchange.finish()
            self._session.forget(stream.exchange.account)
        self._frames.meter.answered()
        self._uploads.over(stream.number)
        del self._streams[stream.number]

    def _drop(self, stream: Stream, reason: str) -> None:
        """Nobody waits for this answer any more, or nobody may have it."""
        if stream.gone:
            return
        stream.gone = reason
        self._frames.forget(stream.number)
        self._uploads.over(stream.number)
        if stream.exchange is not None:
            stream.exchange.account.fail(reason)
            self._session.forget(stream.exchange.account)
        self._leave(stream, reusable=False)
        if stream.question is None and stream.phase is not Phase.CONNECTING:
            del self._streams[stream.number]
        elif stream.question is not None and stream.phase is Phase.DECIDING:
            stream.question.cancel()  # a refusal is recorded all the same

    def sweep(self, now: float) -> None:
        """Ends calls whose access has ended, and requests that take too long to arrive."""
        for stream in list(self._streams.values()):
            if stream.gone:
                continue
            if stream.deadline is not None and now >= stream.deadline:
                self._refuse(stream, LATE)
            elif stream.exchange is not None and not stream.exchange.account.ended:
                reason = self._session.still_allowed(stream.exchange.account)
                if reason is not None:
                    self._frames.reset(stream.number, ErrorCodes.CANCEL)
                    self._drop(stream, reason)

    def abandon(self, reason: str) -> None:
        """The connection is over: nothing more goes out, and every call is accounted for."""
        for stream in list(self._streams.values()):
            self._drop(stream, reason)
        self._session.abandon(reason)
        self._act(self._upstreams.hang_up())
