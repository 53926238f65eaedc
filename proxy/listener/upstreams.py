"""The upstream connections behind one agent connection: one for each call under way, a few kept for the next."""

from mitmproxy.connection import Connection, Server
from mitmproxy.proxy import commands, events, layer

from proxy.listener.permit import Permit
from proxy.listener.profile import GovernedContext, GovernedServer
from proxy.listener.session import Session
from proxy.listener.upstream_layer import upstream_stack
from proxy.listener.wire import Hangup, Outgoing
from proxy.stages import Destination

MAX_KEPT = 8
MAX_KEPT_FOR_SEVERAL = 32

type Orders = list[commands.Command]


class Upstreams:
    """Methods return the commands that they lead to. A connection is used again only for an equal destination.

    Nobody has a connection together with another: who opens or takes one gives it back, or closes it.
    """

    def __init__(self, context: GovernedContext, session: Session) -> None:
        self._context = context
        self._session = session
        self._layers: dict[Connection, layer.Layer] = {}
        self._idle: dict[Server, Destination] = {}
        self._sources: dict[commands.Command, Connection] = {}

    def take(self, destination: Destination) -> Server | None:
        """An open connection to this very destination, TLS and all, that nobody else has."""
        for server, place in self._idle.items():
            if place == destination and server.connected:
                del self._idle[server]
                return server
        return None

    def give_back(self, server: Server) -> Orders:
        """The answer is complete, and the connection may carry another request."""
        orders: Orders = []
        if len(self._idle) >= (MAX_KEPT_FOR_SEVERAL if self._session.multiplexed else MAX_KEPT):
            orders += self.close(next(iter(self._idle)))
        if isinstance(server, GovernedServer) and server in self._layers:
            self._idle[server] = server.destination
        return orders

    def open(self, permit: Permit) -> Orders:
        """Opens a connection; a `Reached` will report on it."""
        server = GovernedServer(permit)
        self._layers[server] = upstream_stack(self._context.fork(), server, self._session.permits)
        return self._run(server, events.Start())

    def send(self, server: Server, permit: Permit, data: bytes) -> Orders:
        return self._run(server, Outgoing(permit, data))

    def close(self, server: Server) -> Orders:
        """Closes this connection; it is not used again from now on."""
        self._idle.pop(server, None)
        return self._run(server, Hangup())

    def hang_up(self) -> Orders:
        """Closes all of them."""
        return [order for server in list(self._layers) if isinstance(server, Server) for order in self.close(server)]

    def forget(self, server: Server) -> None:
        """It is closed, and nothing more will come of it."""
        self._layers.pop(server, None)
        self._idle.pop(server, None)

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
        return orders
