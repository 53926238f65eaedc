"""The innermost layer of an upstream connection: opens it, and lets nothing out without a permit."""

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.tls import ServerTLSLayer

from proxy.listener.open_tls import OpenTls
from proxy.listener.permit import Permits
from proxy.listener.profile import GovernedContext, GovernedServer
from proxy.listener.wire import Delivered, Ended, Hangup, Outgoing, Reached


class NotPermitted(Exception):
    """Something tried to send without a permit in force for this place. A bug; the connection is closed."""


class UpstreamLayer(layer.Layer):
    """Below TLS, if there is any: what it sends is encrypted, what it receives is plain."""

    def __init__(self, context: GovernedContext, server: GovernedServer, permits: Permits) -> None:
        super().__init__(context)
        self._server = server
        self._permits = permits

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            yield Delivered(self._server, event.data)
        elif isinstance(event, Outgoing):
            if not self._permits.allows(event.permit, self._server.destination):
                raise NotPermitted
            yield commands.SendData(self._server, event.data)
        elif isinstance(event, events.Start):
            error = yield commands.OpenConnection(self._server)
            yield Reached(self._server, error)
        elif isinstance(event, events.ConnectionClosed):
            yield Ended(self._server)
            if self._server.state is not ConnectionState.CLOSED:
                yield commands.CloseConnection(self._server)
        elif isinstance(event, Hangup):
            if self._server.state is not ConnectionState.CLOSED:
                yield commands.CloseConnection(self._server)
        else:
            raise TypeError(type(event).__name__)


class UpstreamTlsLayer(OpenTls, ServerTLSLayer):
    """TLS towards an upstream."""


def upstream_stack(context: GovernedContext, server: GovernedServer, permits: Permits) -> layer.Layer:
    """The layers of a new upstream connection, TLS outermost."""
    context.server = server
    leaf = UpstreamLayer(context, server, permits)
    if server.destination.scheme != "https":
        return leaf
    tls = UpstreamTlsLayer(context, server)
    tls.child_layer = leaf
    return tls
