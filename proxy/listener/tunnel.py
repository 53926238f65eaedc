"""What a client starts inside a CONNECT tunnel: TLS or HTTP/1.1, in TLS perhaps HTTP/2. Nothing else gets anywhere."""

import contextlib
import ipaddress
from collections.abc import Callable

from mitmproxy.connection import Server
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.tls import ClientTLSLayer
from OpenSSL import SSL

from proxy.errors import Refusal, Refused
from proxy.listener.canonical import Place
from proxy.listener.conversation import Conversation
from proxy.listener.http2.multiplex import Multiplex
from proxy.listener.open_tls import OpenTls
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.wire import Abort, Ask, Become, Expired

NOT_HTTP = Refusal("tunnel_protocol_refused", 400, "Only TLS and HTTP/1.1 are spoken inside a tunnel.", "fix_request")


MAX_HELLO = 64 * 1024


class Tunnel(layer.Layer):
    """Waits for the first bytes, and hands over to the layer for what they begin."""

    def __init__(self, context: GovernedContext, host: str, port: int, session: Session) -> None:
        context.server = Server(address=(host, port))
        super().__init__(context)
        self._governed = context
        self._host = host
        self._port = port
        self._session = session
        self._begin = b""

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.DataReceived):
            self._begin += event.data
            yield from self._choose()
        elif isinstance(event, events.ConnectionClosed | Expired):
            yield commands.CloseConnection(self.context.client)

    def _choose(self) -> layer.CommandGenerator[None]:
        first = self._begin[0]
        if first == 0x16 and len(self._begin) < 3:
            return
        if starts_like_tls_record(self._begin):
            yield Become(self._tls, self._begin)
        elif 0x41 <= first <= 0x5A:  # methods are upper case; the conversation refuses what is not a request
            yield Become(lambda: self._conversation("http"), self._begin)
        else:
            summary = f"tunnel to {self._host}:{self._port}"
            yield Ask(lambda: self._session.refuse(NOT_HTTP, summary))
            yield Abort(self.context.client)

    def _tls(self) -> layer.Layer:
        tls = AgentTlsLayer(self._governed)
        tls.child_layer = Negotiated(self._governed, self._spoken)
        return tls

    def _spoken(self) -> layer.Layer:
        """HTTP/2 only where it was agreed on in the handshake, which is never if it is not switched on."""
        if self._session.options.http2 and self.context.client.alpn == b"h2":
            return Multiplex(self._governed, Place("connect", "https", self._host, self._port), self._session)
        return self._conversation("https")

    def _conversation(self, scheme: str) -> Conversation:
        place = Place("connect", "https" if scheme == "https" else "http", self._host, self._port)
        return Conversation(self._governed, place, self._session, None)


class Negotiated(layer.Layer):
    """Stands for the layer above TLS until the handshake has told which one it is."""

    def __init__(self, context: GovernedContext, choose: Callable[[], layer.Layer]) -> None:
        super().__init__(context)
        self._choose = choose
        self._chosen: layer.Layer | None = None

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        """TLS holds every event back until the handshake is over."""
        if self._chosen is None:
            self._chosen = self._choose()
        return self._chosen.handle_event(event)

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        raise NotImplementedError


class AgentTlsLayer(OpenTls, ClientTLSLayer):
    """TLS towards the agent, which says goodbye when we close politely, so that a cut can be told from an end."""

    def receive_handshake_data(self, data: bytes) -> layer.CommandGenerator[tuple[bool, str | None]]:
        if not self.client_hello_parsed and len(self.recv_buffer) + len(data) > MAX_HELLO:
            yield Abort(self.context.client)
            return False, "ClientHello too large"
        return (yield from super().receive_handshake_data(data))

    def send_close(self, command: commands.CloseConnection) -> layer.CommandGenerator[None]:
        if not isinstance(command, Abort) and self.tls is not None:
            with contextlib.suppress(SSL.Error):
                self.tls.shutdown()
            yield from self.tls_interact()
        yield from super().send_close(command)


def check_server_name(sni: str | None, host: str) -> None:
    """Raises the refusal unless TLS asks for the host that the tunnel was opened to."""
    if (sni.lower() == host) if sni is not None else _is_literal(host):
        return
    raise Refused(Refusal("sni_mismatch", 421, "TLS asks for another host than the tunnel was opened to."))


def _is_literal(host: str) -> bool:
    """RFC 6066 section 3: a literal address is not sent as a server name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
