"""TLS once its handshake is over: the same as mitmproxy's layer does, with fewer steps for each event and command.

But for its end: a peer that ends TLS with an alert (it wants a client certificate, say) has closed the connection.
mitmproxy tells nobody of that, nor of the closing that follows: whoever waited for an answer would wait for ever.
"""

from mitmproxy.connection import ConnectionState
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.tls import TLSLayer
from mitmproxy.proxy.tunnel import TunnelState
from OpenSSL import SSL

READ = 65_535


class OpenTls(TLSLayer):
    """To be mixed into a TLS layer. Before the handshake is over, and once either side has closed, it does nothing."""

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self.tunnel_state is TunnelState.OPEN and not self._paused:
            return self._opened(event)
        return super().handle_event(event)

    def _opened(self, event: events.Event) -> layer.CommandGenerator[None]:
        if not isinstance(event, events.ConnectionEvent) or event.connection != self.conn:
            yield from self.event_to_child(event)
        elif isinstance(event, events.DataReceived):
            yield from self.receive_data(event.data)
        else:
            yield from super().handle_event(event)

    _child_knows = False

    def receive_data(self, data: bytes) -> layer.CommandGenerator[None]:
        if data:
            self.tls.bio_write(data)
        plaintext = bytearray()
        closed = broken = False
        try:
            while True:
                plaintext += self.tls.recv(READ)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            closed = True
        except SSL.Error:
            broken = True  # nothing can be read or written any more
            self.conn.state = ConnectionState.CLOSED
        yield from self.tls_interact()  # also what reading led to, as an answer to a new key, or an alert of ours
        if plaintext:
            yield from self.event_to_child(events.DataReceived(self.conn, bytes(plaintext)))
        if closed:
            self.conn.state &= ~ConnectionState.CAN_READ
            yield from self.receive_close()
        elif broken:
            yield commands.CloseConnection(self.conn)

    def receive_close(self) -> layer.CommandGenerator[None]:
        if not self._child_knows:
            self._child_knows = True
            yield from self.event_to_child(events.ConnectionClosed(self.conn))

    def event_to_child(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self.tunnel_state is not TunnelState.OPEN:
            yield from super().event_to_child(event)
            return
        for command in self.child_layer.handle_event(event):
            # INVARIANT: no command for our own connection gets past this unencrypted.
            if not isinstance(command, commands.ConnectionCommand) or command.connection != self.conn:
                yield command
            elif isinstance(command, commands.SendData):
                yield from self.send_data(command.data)
            else:
                yield from self._handle_command(command)

    def tls_interact(self) -> layer.CommandGenerator[None]:
        """Sends what is waiting. Less than was asked for is all of it: then nothing need be raised to say so."""
        size = READ
        while size == READ:
            try:
                data = self.tls.bio_read(READ)
            except SSL.WantReadError:
                return
            size = len(data)
            yield commands.SendData(self.conn, data)
