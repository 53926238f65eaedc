"""One agent's socket: drives the layers above it, and does what they command.

This takes the place of mitmproxy's own connection handler, which passes a request on when something fails. Here
everything that is unexpected closes the connection: an exception in a layer, an unknown command, a lost task.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from typing import Any, cast

from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import tls

from proxy.blame import blame
from proxy.errors import Refusal, Refused
from proxy.listener.accepted import accepted
from proxy.listener.answer import own_reply
from proxy.listener.canonical import Place
from proxy.listener.conversation import Conversation
from proxy.listener.dial import DialRefused, dial
from proxy.listener.house import House
from proxy.listener.keepalive import keep_alive
from proxy.listener.problem import UNAVAILABLE, problem
from proxy.listener.profile import GovernedClient, GovernedContext, GovernedServer
from proxy.listener.resetting import reset
from proxy.listener.session import Session
from proxy.listener.tls_hooks import answer_hook
from proxy.listener.tunnel import Tunnel
from proxy.listener.upstream_link import UpstreamLink
from proxy.listener.wire import Abort, Ask, Become, Draining, Expired, Finish, Swept, Throttle, Told
from proxy.stages import Entrance, Released

log = logging.getLogger("countersign.listener")

LINGER = 2.0
LAST_WORDS = 1.0  # for an answer that is being worded when access ends
MAX_DISCARDED = 4 * 1024 * 1024
WRITE_BUFFER = 256 * 1024


class AgentConnection(asyncio.Protocol):
    """From `connection_made` to `connection_lost`. Whatever was under way at the end is accounted for."""

    def __init__(self, house: House, entrance: Entrance) -> None:
        self._house = house
        self._entrance: Entrance = entrance
        self._queue: deque[events.Event] = deque()
        self._out: dict[Connection, list[bytes]] = {}
        self._links: dict[Connection, UpstreamLink] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pumping = False
        self._closed = True
        self._agent_is_slow = False
        self._ending: float | None = None
        self._dismissed: float | None = None
        self._discarded = 0
        self._reason = "client_disconnected"
        self._transport: asyncio.Transport
        self._client: Client
        self._layer: layer.Layer
        self.session: Session

    # --- the socket -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        house = self._house
        who = accepted(transport)
        if house.draining or who is None:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(WRITE_BUFFER)
        keep_alive(transport)
        self._client = GovernedClient(
            peername=who.peer,
            sockname=who.own,
            state=ConnectionState.OPEN,
            timestamp_start=time.time(),
        )
        self.session = Session(self._client.id, who.peer[0], house.gate, house.options, house.loop.time, who.evidence)
        place = Place("gateway" if self._entrance == "gateway" else "forward")
        self._layer = Conversation(GovernedContext(self._client), place, self.session, self._tunnel)
        self._closed = False
        house.enter(self._client.id, self, who.peer[0])
        self.pump(events.Start())

    def _tunnel(self, host: str, port: int) -> layer.Layer:
        return Tunnel(GovernedContext(self._client), host, port, self.session)

    def data_received(self, data: bytes) -> None:
        if self._closed:
            return
        if self._ending is None:
            self.pump(events.DataReceived(self._client, data))
            self._house.received(self._client.id, len(data))
            return
        self._discarded += len(data)
        if self._discarded > MAX_DISCARDED:
            self._transport.abort()

    def eof_received(self) -> bool:
        if self._closed or self._ending is not None:
            return False
        self._client.state &= ~ConnectionState.CAN_READ
        self.pump(events.ConnectionClosed(self._client))
        return not self._transport.is_closing()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - how it ended makes no difference
        if self._closed:
            return
        self._closed = True
        self._client.state = ConnectionState.CLOSED
        self._queue.clear()
        for task in list(self._tasks):
            task.cancel()
        for link in list(self._links.values()):
            if link.transport is not None:
                link.transport.abort()
        self.session.abandon(self._reason)
        self._house.gate.closed(self._client.id)
        self._house.leave(self._client.id)

    def pause_writing(self) -> None:
        """The agent does not keep up: what comes for it stays in the kernel, and is not gathered here."""
        self._agent_keeps_up(slow=True)

    def resume_writing(self) -> None:
        self._agent_keeps_up(slow=False)

    def _agent_keeps_up(self, *, slow: bool) -> None:
        self._agent_is_slow = slow
        for link in self._links.values():
            self._regulate(link)
        if self.session.multiplexed:  # otherwise what it sends would have us answer it without end
            self._hold_agent(hold=slow)

    def _regulate(self, link: UpstreamLink) -> None:
        """Reads from this upstream only while whoever waits for it keeps up."""
        if link.transport is not None and not link.transport.is_closing():
            slow = self._agent_is_slow or link.held
            (link.transport.pause_reading if slow else link.transport.resume_reading)()

    def hold_agent(self, *, hold: bool) -> None:
        """An upstream does not keep up with what the agent sends. Several calls at a time are not held up by one."""
        if not self.session.multiplexed:
            self._hold_agent(hold=hold)

    def _hold_agent(self, *, hold: bool) -> None:
        if not self._transport.is_closing():
            (self._transport.pause_reading if hold else self._transport.resume_reading)()

    # --- from outside -----------------------------------------------------------------------------

    def cut(self, reason: str) -> None:
        """Ends everything on this connection now."""
        if not self._closed:
            self._reason = reason
            self.session.abandon(reason)
            self._transport.abort()

    def turn_away(self, refusal: Refusal) -> None:
        """Ends a connection that has no place here. It hears why if it reads; nothing of it goes on."""
        if self._closed or self._ending is not None:
            return
        self.unreadable(refusal, "connection")
        for task in list(self._tasks):
            task.cancel()
        self.session.abandon(refusal.reason)
        self._ending = self._house.loop.time() + LINGER
        if not self._transport.is_closing():
            self._transport.write(own_reply(problem(refusal), method="GET", version="HTTP/1.1", close=True))
        self._transport.close()

    def drain(self) -> None:
        """No further request after the one under way."""
        self.session.draining = True
        if self.session.multiplexed:
            if self._ending is None:
                self.pump(Draining())
        elif not self.session.busy and self._ending is None:
            self._transport.close()

    def sweep(self, now: float, *, thorough: bool) -> None:
        """Ends what may not or should not go on: revoked access, a request or a handshake that takes too long.

        Access is checked where something is passing, and, if `thorough`, where nothing is.
        """
        if self._closed:
            return
        if self._ending is not None:
            if now >= self._ending:
                self._transport.abort()
            return
        several = self.session.multiplexed and self.session.busy
        reason = self.session.still_allowed() if thorough or self.session.passing or several else None
        if reason is not None:
            self._dismiss(reason, now)
            return
        for link in list(self._links.values()):
            if link.transport is not None and link.overdue(now):
                link.transport.abort()
        if several:
            self.pump(Swept(now))
        deadline = self.session.deadline
        if deadline is not None and now >= deadline:
            self.session.deadline = None
            self._ending = now + LINGER  # if no layer understands this, the next sweeps end the connection
            self.pump(Expired())

    def _dismiss(self, reason: str, now: float) -> None:
        """Access has ended. What is passing is cut; a refusal that is on its way may still arrive, and nothing else."""
        if self.session.passing or (self._dismissed is not None and now - self._dismissed >= LAST_WORDS):
            self.cut(reason)
        elif self._dismissed is None:
            self._dismissed = now
            self._reason = reason
            self.drain()

    # --- events in, commands out --------------------------------------------------------------------

    def pump(self, event: events.Event) -> None:
        """Gives the event to the layers and does what they command. Whatever fails closes the connection."""
        self._queue.append(event)
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._queue and not self._closed:
                for command in self._layer.handle_event(self._queue.popleft()):
                    self._perform(command)
            for connection in list(self._out):
                self._flush(connection)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the listener's boundary
            self._crashed(error)
        finally:
            self._pumping = False

    def _crashed(self, error: BaseException) -> None:
        self._queue.clear()
        self._out.clear()
        if isinstance(error, Refused):
            self.unreadable(error.refusal, "tunnel")
            self.cut(error.refusal.reason)
            return
        log.error("a connection is closed because of a %s", blame(error))
        self.cut("internal_error")

    def unreadable(self, refusal: Refusal, what: str) -> None:
        """What came cannot become a request: this is recorded, whatever becomes of the connection."""
        if self._closed:
            return
        self._reason = refusal.reason
        task: asyncio.Task[object] = self._house.loop.create_task(self.session.refuse(refusal, what))
        self._house.background.add(task)
        task.add_done_callback(self._house.background.discard)

    def _perform(self, command: commands.Command) -> None:
        if isinstance(command, commands.SendData):
            self._out.setdefault(command.connection, []).append(command.data)
        elif isinstance(command, Ask):
            self._ask(command)
        elif isinstance(command, commands.StartHook):
            self._hook(command)
            self._queue.append(events.HookCompleted(command))
        elif isinstance(command, commands.OpenConnection):
            task = self._house.loop.create_task(self._open(command))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(command, commands.CloseConnection):
            self._close(command)
        else:
            self._perform_our_own(command)

    def _perform_our_own(self, command: commands.Command) -> None:
        if isinstance(command, Become):
            self._layer = command.make()
            self._queue.append(events.Start())
            if command.rest:
                self._queue.append(events.DataReceived(self._client, command.rest))
        elif isinstance(command, Throttle):
            link = self._links.get(command.server)
            if link is not None:
                link.held = command.hold
                self._regulate(link)
        elif not isinstance(command, commands.Log):  # their text may hold what an agent sent
            raise TypeError(type(command).__name__)

    def _hook(self, hook: commands.StartHook) -> None:
        answer_hook(hook, self._house)
        if isinstance(hook, tls.TlsEstablishedServerHook):
            link = self._links.get(hook.data.conn)
            if link is not None:
                link.deadline = None

    def _ask(self, question: Ask) -> None:
        task: asyncio.Task[object] = asyncio.Task(question.question(), loop=self._house.loop, eager_start=True)
        question.task = task
        if task.done():
            self._told(question, task)
        else:
            self._tasks.add(task)
            task.add_done_callback(lambda done: self._told(question, done))

    def _told(self, question: Ask, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        failed = task.cancelled() or task.exception() is not None
        reply = problem(UNAVAILABLE) if failed else task.result()  # not None, which is a yes to a tunnel
        if self._closed:
            if isinstance(reply, Released):
                self._house.gate.unsent(reply, self._reason)
            return
        self.pump(Told(question, reply))

    # --- upstream ---------------------------------------------------------------------------------

    async def _open(self, command: commands.OpenConnection) -> None:
        server = command.connection
        try:
            error = await self._connect(server) if isinstance(server, GovernedServer) else "not permitted"
        except (Exception, asyncio.CancelledError) as failure:  # noqa: BLE001 - the listener's boundary
            log.error("an upstream connection failed because of a %s", blame(failure))  # noqa: TRY400 - no message
            error = "the connection could not be opened"
        if not self._closed:
            self.pump(events.OpenConnectionCompleted(command, error))

    async def _connect(self, server: GovernedServer) -> str | None:
        """The second gate: without a permit in force for this place there is no connection."""
        if not self.session.permits.allows(server.permit, server.destination):
            return "not permitted"
        within = self._house.options.connect_timeout
        try:
            transport, link = await dial(
                server.destination,
                lambda: UpstreamLink(self, server),
                within=within,
                own_ports=self._house.own_ports,
            )
        except DialRefused as refused:
            return str(refused)
        if self._closed or not self.session.permits.allows(server.permit, server.destination):
            transport.abort()
            return "not permitted any more"
        transport.set_write_buffer_limits(WRITE_BUFFER)
        server.state = ConnectionState.OPEN
        server.peername = transport.get_extra_info("peername")[:2]
        server.sockname = transport.get_extra_info("sockname")[:2]
        if server.destination.scheme == "https":
            link.deadline = self._house.loop.time() + within
        self._links[server] = link
        keep_alive(transport)
        self._regulate(link)
        return None

    def upstream_lost(self, link: UpstreamLink) -> None:
        if self._links.pop(link.server, None) is not None and not self._closed:
            self.pump(events.ConnectionClosed(link.server))

    # --- writing and closing ------------------------------------------------------------------------

    def _flush(self, connection: Connection) -> None:
        """Writes all that this round of events has gathered for this connection, at once."""
        pieces = self._out.pop(connection, None)
        if not pieces:
            return
        transport = self._transport_of(connection)
        if transport is not None and not transport.is_closing():
            transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def _transport_of(self, connection: Connection) -> asyncio.Transport | None:
        if connection is self._client:
            return self._transport
        link = self._links.get(connection)
        return link.transport if link is not None else None

    def _close(self, command: commands.CloseConnection) -> None:
        connection = command.connection
        if isinstance(command, Abort):
            self._out.clear()
            reset(self._transport)
            return
        self._flush(connection)
        transport = self._transport_of(connection)
        if transport is None:
            return
        if isinstance(command, Finish):
            self._finish()
            return
        connection.state = ConnectionState.CLOSED
        transport.close()

    def _finish(self) -> None:
        """Lets the agent read what was written, even if it is still sending: a reset would destroy it."""
        self._ending = self._house.loop.time() + LINGER
        if not self._transport.is_closing() and self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the agent has gone: there is nobody left to read
                self._transport.write_eof()
