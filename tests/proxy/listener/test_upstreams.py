"""The upstream connections behind one agent connection."""

from pathlib import Path

from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import commands, events

from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.permit import Permit
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.upstreams import MAX_KEPT, Upstreams
from proxy.listener.wire import Reached
from proxy.stages import Arrived, Destination, Request
from tests.fakes.gate import FakeGate, released

HERE = Destination("http", "a.test", 80)


def permit(place: Destination) -> Permit:
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    return Permit(released(Arrived("call_1", 0.0, "c", "connect", "p", request), request), place)


def upstreams() -> Upstreams:
    session = Session("c", "p", GuardedGate(FakeGate(), 1), ListenerOptions(ca_directory=Path("x")), lambda: 0.0)
    return Upstreams(GovernedContext(Client(peername=("p", 1), sockname=("s", 2))), session)


def opened(these: Upstreams, place: Destination = HERE) -> Server:
    opening = these.open(permit(place))[-1]
    assert isinstance(opening, commands.OpenConnection)
    opening.connection.state = ConnectionState.OPEN
    (reached,) = these.completed(events.OpenConnectionCompleted(opening, None))
    assert isinstance(reached, Reached)
    return reached.server


def test_used_again_for_the_same_destination_only() -> None:
    """Equal means equal in everything: pin, bundle and permissions included."""
    these = upstreams()
    server = opened(these)
    these.give_back(server)
    for other in (
        Destination("http", "a.test", 81),
        Destination("http", "a.test", 80, connect=("127.0.0.1", 1)),
        Destination("http", "a.test", 80, allow_private_addresses=True),
    ):
        assert these.take(other) is None
    assert these.take(HERE) is server


def test_nobody_shares_a_connection() -> None:
    """A connection that is in use is not given to another call, whether it was opened or taken."""
    these = upstreams()
    server = opened(these)
    assert these.take(HERE) is None
    assert these.give_back(server) == []
    assert these.take(HERE) is server
    assert these.take(HERE) is None


def test_a_connection_that_failed_or_closed_is_not_used() -> None:
    """Neither one that could not be opened, nor one that the peer or we have closed."""
    these = upstreams()
    opening = these.open(permit(HERE))[-1]
    assert isinstance(opening, commands.OpenConnection)
    these.completed(events.OpenConnectionCompleted(opening, "no route"))
    assert these.take(HERE) is None
    server = opened(these)
    these.give_back(server)
    server.state = ConnectionState.CAN_WRITE
    assert these.take(HERE) is None
    other = opened(these)
    these.give_back(other)
    assert isinstance(these.close(other)[-1], commands.CloseConnection)
    assert these.take(HERE) is None


def test_only_a_few_are_kept() -> None:
    """An agent that talks to many places through one connection does not keep a connection to each."""
    these = upstreams()
    servers = [opened(these, Destination("http", "a.test", port)) for port in range(1, MAX_KEPT + 2)]
    for server in servers[:-1]:
        assert these.give_back(server) == []
    (closing,) = these.give_back(servers[-1])
    assert isinstance(closing, commands.CloseConnection)
    assert closing.connection is servers[0]


def test_late_events_are_dropped() -> None:
    """What concerns a connection that is forgotten leads to nothing."""
    these = upstreams()
    server = opened(these)
    these.forget(server)
    assert these.give_back(server) == []
    assert these.take(HERE) is None
    assert these.received(events.DataReceived(server, b"x")) == []
    assert these.close(server) == []
    assert these.hang_up() == []
