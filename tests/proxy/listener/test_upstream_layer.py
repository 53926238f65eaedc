"""The innermost upstream layer, driven by hand."""

import pytest
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.tls import ServerTLSLayer

from proxy.listener.permit import Permit, Permits
from proxy.listener.profile import GovernedContext, GovernedServer
from proxy.listener.upstream_layer import NotPermitted, UpstreamLayer, upstream_stack
from proxy.listener.wire import Delivered, Ended, Hangup, Outgoing, Reached
from proxy.stages import Arrived, Destination, Request
from tests.fakes.gate import released

HERE = Destination("http", "a.test", 80)


def permit(place: Destination = HERE) -> Permit:
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    return Permit(released(Arrived("call_1", 0.0, "c", "connect", "p", request), request), place)


def started() -> tuple[UpstreamLayer, GovernedServer, Permits, Permit]:
    """A layer whose connection is open, and the permit that opened it."""
    one, permits = permit(), Permits()
    permits.add(one)
    server = GovernedServer(one)
    layer = UpstreamLayer(GovernedContext(Client(peername=("p", 1), sockname=("s", 2))), server, permits)
    (opening,) = list(layer.handle_event(events.Start()))
    assert isinstance(opening, commands.OpenConnection)
    server.state = ConnectionState.OPEN
    (reached,) = list(layer.handle_event(events.OpenConnectionCompleted(opening, None)))
    assert isinstance(reached, Reached)
    assert reached.error is None
    return layer, server, permits, one


def test_bytes_go_out_under_a_permit() -> None:
    """What is permitted is sent as it is."""
    layer, server, _, one = started()
    (sending,) = list(layer.handle_event(Outgoing(one, b"x")))
    assert isinstance(sending, commands.SendData)
    assert (sending.connection, sending.data) == (server, b"x")


def test_bytes_do_not_go_out_without() -> None:
    """A permit that has ended, or that is another one, sends nothing."""
    layer, _, permits, one = started()
    with pytest.raises(NotPermitted):
        list(layer.handle_event(Outgoing(permit(), b"x")))
    permits.discard(one)
    with pytest.raises(NotPermitted):
        list(layer.handle_event(Outgoing(one, b"x")))


def test_bytes_do_not_go_to_another_place() -> None:
    """A permit for one destination does not open the connection to another."""
    layer, _, permits, _ = started()
    other = permit(Destination("http", "a.test", 80, allow_websocket=True))
    permits.add(other)
    with pytest.raises(NotPermitted):
        list(layer.handle_event(Outgoing(other, b"x")))


def test_what_comes_is_reported() -> None:
    """Bytes and the end are handed on, and the end is final."""
    layer, server, _, _ = started()
    (delivered,) = list(layer.handle_event(events.DataReceived(server, b"y")))
    assert isinstance(delivered, Delivered)
    server.state = ConnectionState.CAN_WRITE
    ended, closing = list(layer.handle_event(events.ConnectionClosed(server)))
    assert isinstance(ended, Ended)
    assert isinstance(closing, commands.CloseConnection)


def test_hanging_up_once() -> None:
    """A connection that is closed already is not closed again."""
    layer, server, _, _ = started()
    assert len(list(layer.handle_event(Hangup()))) == 1
    server.state = ConnectionState.CLOSED
    assert list(layer.handle_event(Hangup())) == []


def test_unknown_events() -> None:
    """What this layer does not know is an error, not ignored."""
    layer, *_ = started()
    with pytest.raises(TypeError):
        list(layer.handle_event(events.Wakeup(commands.RequestWakeup(1))))


def test_https_is_never_without_tls() -> None:
    """The stack for an https destination begins with TLS; only http has none."""
    context = GovernedContext(Client(peername=("p", 1), sockname=("s", 2)))
    secure = GovernedServer(permit(Destination("https", "a.test", 443)))
    assert isinstance(upstream_stack(context.fork(), secure, Permits()), ServerTLSLayer)
    assert isinstance(upstream_stack(context.fork(), GovernedServer(permit()), Permits()), UpstreamLayer)
