"""The upstream connections behind one agent connection: at most one in use, a few kept for the next request."""

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer

from proxy.listener.permit import Permit
from proxy.listener.profile import GovernedContext, GovernedServer
from proxy.listener.session import Session
from proxy.listener.upstream_layer import upstream_stack
from proxy.listener.wire import Hangup, Outgoing, Reached
from proxy.stages import Destination

MAX_KEPT = 8

type Orders = list[commands.Command]


class Upstreams:
    """Every method returns the commands that it leads to. A connection is used again only for an equal destination."""

    def __init__(self, context: GovernedContext, session: Session) -> None:
        self._context = context
        self._session = session
        self._layers: dict[Connection, layer.Layer] = {}
        self._ready: dict[GovernedServer, None] = {}
        self._sources: dict[commands.Command, Connection] = {}

    def idle(self, destination: Destination) -> Server | None:
        """An open connection to this very destination, TLS and all."""
        for server in self._ready:
            if server.destination == destination and server.connected:
                return server
        return None

    def open(self, permit: Permit) -> Orders:
        """Opens a connection; a `Reached` will report on it."""
        orders: Orders = []
        if len(self._ready) >= MAX_KEPT:
            orders += self.close(next(iter(self._ready)))
        server = GovernedServer(permit)
        self._layers[server] = upstream_stack(self._context.fork(), server, self._session.permits)
        return orders + self._run(server, events.Start())

    def send(self, server: Server, permit: Permit, data: bytes) -> Orders:
        return self._run(server, Outgoing(permit, data))

    def close(self, server: Server) -> Orders:
        """Closes this connection; it is not used again from now on."""
        self._ready.pop(server, None)  # type: ignore[call-overload]  # compared by id, whatever its class
        return self._run(server, Hangup())

    def hang_up(self) -> Orders:
        """Closes all of them."""
        return [order for server in list(self._layers) if isinstance(server, Server) for order in self.close(server)]

    def forget(self, server: Server) -> None:
        """It is closed, and nothing more will come of it."""
        self._layers.pop(server, None)
        self._ready.pop(server, None)  # type: ignore[call-overload]  # compared by id, whatever its class

    def received(self, event: events.ConnectionEvent) -> Orders:
        return self._run(event.connection, event)

    def completed(self, event: events.CommandCompleted) -> Orders:
        """One of our layers' commands is done. What nobody waits for any more is dropped."""
        server = self._sources.pop(event.command, None)
        return [] if server is None else self._run(server, event)

    def _run(self, server: Connection, event: events.Event) -> Orders:
        """All commands of one event, taken out at once, so that no layer is entered twice."""
        stack = self._layers.get(server)
        if stack is None:
            return []
        orders = list(stack.handle_event(event))
        for order in orders:
            if order.blocking:
                self._sources[order] = server
            elif isinstance(order, Reached) and order.error is None and isinstance(order.server, GovernedServer):
                self._ready[order.server] = None
        return orders
