"""WebSocket messages between an agent and an upstream, one at a time: bounded, searched, and cut when access ends."""

from collections import deque

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.websocket import (
    WebsocketConnection,
    WebsocketEndHook,
    WebsocketLayer,
    WebsocketMessageHook,
    WebsocketStartHook,
)
from mitmproxy.websocket import WebSocketData
from wsproto.utilities import RemoteProtocolError

from proxy.listener.exchange import STALLED, Exchange
from proxy.listener.session import Session
from proxy.listener.streaming import BodyGuard, Cut

BROKEN_OFF = "upstream_closed"


class Relay(WebsocketLayer):
    """mitmproxy's relay, with a bound on what a message may gather before it is complete."""

    client_ws: WebsocketConnection
    server_ws: WebsocketConnection

    def __init__(self, context: Context, exchange: Exchange, session: Session) -> None:
        flow = http.HTTPFlow(context.client, context.server)
        flow.response = http.Response.make(101)
        flow.websocket = WebSocketData()
        super().__init__(context, flow)
        self._exchange = exchange
        self._session = session
        self._limit = session.options.max_websocket_message_bytes
        self.over = False

    def relay_messages(self, event: events.Event) -> layer.CommandGenerator[None]:
        for command in super().relay_messages(event):
            self._check_size()
            yield command
        self._check_size()

    def check_access(self) -> None:
        """Raises Cut if access has ended."""
        reason = self._session.still_allowed()
        if reason is not None:
            raise Cut(reason)

    def check_progress(self, event: events.Event) -> None:
        """Raises Cut if nothing passed for too long, pings included, or if the upstream went without a word.

        mitmproxy would tell the agent of both as if all had been said.
        """
        if isinstance(event, events.DataReceived):
            self._exchange.got_on()
        elif isinstance(event, events.ConnectionClosed) and event.connection is self.context.server:
            raise Cut(STALLED if self._exchange.late else BROKEN_OFF)

    def _check_size(self) -> None:
        for side in (self.client_ws, self.server_ws):
            if sum(map(len, side.frame_buf)) > self._limit:
                raise Cut("websocket_message_too_large")

    def check_message(self) -> None:
        """Raises Cut unless the message that has just come may be passed on. Keeps no message."""
        assert self.flow.websocket is not None
        message = self.flow.websocket.messages[-1]
        self.flow.websocket.messages.clear()
        if len(message.content) > self._limit:
            raise Cut("websocket_message_too_large")
        if not message.from_client:
            self._search(message.content)
            self._exchange.account.received(len(message.content))

    def check_frame(self, command: commands.ConnectionCommand) -> None:
        """Raises Cut if a frame for the agent holds a secret: pings, pongs and the words of an end carry bytes too."""
        if isinstance(command, commands.SendData) and command.connection is self.context.client:
            self._search(command.data)

    def _search(self, data: bytes) -> None:
        secrets = self._exchange.account.permit.released.injection.secrets
        guard = BodyGuard(secrets, lambda: None, self._session.clock)
        guard.feed(data)
        guard.end()


def relayed(relay: Relay, event: events.Event) -> list[commands.ConnectionCommand]:
    """What is to be sent or closed because of this event; raises Cut.

    Access is checked for whatever comes from either side: a ping carries bytes too, and is no message.
    """
    relay.check_access()
    relay.check_progress(event)
    orders: list[commands.ConnectionCommand] = []
    pending = deque([event])
    while pending:
        try:
            found = list(relay.handle_event(pending.popleft()))
        except RemoteProtocolError:
            raise Cut("websocket_protocol_error") from None
        for command in found:
            if isinstance(command, commands.ConnectionCommand):
                relay.check_frame(command)
                orders.append(command)
            elif isinstance(command, WebsocketStartHook | WebsocketMessageHook | WebsocketEndHook):
                if isinstance(command, WebsocketMessageHook):
                    relay.check_access()
                    relay.check_message()
                relay.over = relay.over or isinstance(command, WebsocketEndHook)
                pending.append(events.HookCompleted(command))
    return orders
