"""WebSocket messages on their way. test_listener.py has them with real clients."""

from pathlib import Path
from typing import Any

import pytest
from mitmproxy.connection import Client, Server
from mitmproxy.proxy import commands, events
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, Message, Ping, Pong, TextMessage

from proxy.listener.account import Account
from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.permit import Permit, Permits
from proxy.listener.profile import GovernedContext
from proxy.listener.session import Session
from proxy.listener.streaming import Cut
from proxy.listener.websocket import Relay, relayed
from proxy.stages import Arrived, Destination, Injection, Request, Secret
from tests.fakes.gate import FakeGate, released

SECRET = Injection(secrets=(Secret("env:X", "s3cr3t-value"),))


class Exchange:
    """As much of an exchange as the relay looks at."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.late = False
        self.pieces = 0

    def got_on(self) -> None:
        self.pieces += 1


def relay(gate: FakeGate) -> Relay:
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    release = released(Arrived("call_1", 0.0, "c", "connect", "p", request), request, SECRET)
    options = ListenerOptions(ca_directory=Path("x"), max_websocket_message_bytes=100)
    session = Session("c", "p", GuardedGate(gate, 1), options, lambda: 0.0)
    context = GovernedContext(Client(peername=("p", 1), sockname=("s", 2)))
    context.server = Server(address=("a.test", 80))
    account = Account(session.gate, Permits(), Permit(release, Destination("http", "a.test", 80)), lambda: 0.0)
    exchange: Any = Exchange(account)
    this = Relay(context, exchange, session)
    assert relayed(this, events.Start()) == []
    return this


def from_agent(this: Relay, *messages: Any) -> list[commands.ConnectionCommand]:
    peer = Connection(ConnectionType.CLIENT)
    return relayed(this, events.DataReceived(this.context.client, b"".join(peer.send(message) for message in messages)))


def from_upstream(this: Relay, *messages: Any) -> list[commands.ConnectionCommand]:
    peer = Connection(ConnectionType.SERVER)
    return relayed(this, events.DataReceived(this.context.server, b"".join(peer.send(message) for message in messages)))


def test_messages_pass_and_are_not_kept() -> None:
    """A message goes to the other side, in either direction, and leaves nothing behind."""
    this = relay(FakeGate())
    (up,) = from_agent(this, TextMessage("hi"))
    assert up.connection is this.context.server
    (down,) = from_upstream(this, TextMessage("ho"))
    assert down.connection is this.context.client
    assert this.flow.websocket is not None
    assert this.flow.websocket.messages == []


def test_a_secret_in_a_message_cuts() -> None:
    """A message from upstream that holds the secret is not passed on; the agent may say what it likes."""
    this = relay(FakeGate())
    assert from_agent(this, TextMessage("s3cr3t-value"))
    with pytest.raises(Cut, match="secret_leaked"):
        from_upstream(this, TextMessage("you sent s3cr3t-value"))


def test_no_message_after_access_has_ended() -> None:
    """Every message is checked, in either direction; so is every ping and every end, for they carry bytes too."""
    for send in (from_agent, from_upstream):
        for frame in (TextMessage("hi"), Ping(b"hidden"), Pong(b"hidden"), CloseConnection(1000, "hidden")):
            gate = FakeGate()
            this = relay(gate)
            gate.cut = "agent_revoked"
            with pytest.raises(Cut, match="agent_revoked"):
                send(this, frame)


def test_no_message_after_access_has_ended_within_one_read() -> None:
    """Two messages came at once, and access ended between them: the second does not pass."""
    gate = FakeGate()
    this = relay(gate)
    asked = []

    def still_allowed(connection: str, released: object) -> str | None:
        asked.append(connection)
        return "agent_revoked" if len(asked) > 2 else None

    gate.still_allowed = still_allowed  # type: ignore[method-assign]  # ends between two messages
    with pytest.raises(Cut, match="agent_revoked"):
        from_agent(this, TextMessage("one"), TextMessage("two"))


def test_fragments_do_not_pile_up() -> None:
    """A message in many fragments is bounded like one in a single frame."""
    piece: Message[str] = TextMessage("x" * 40, message_finished=False)
    assert from_agent(relay(FakeGate()), piece, piece) == []
    with pytest.raises(Cut, match="too_large"):
        from_agent(relay(FakeGate()), piece, piece, piece)


def test_nonsense_cuts() -> None:
    """Bytes that are no WebSocket frame end the connection."""
    this = relay(FakeGate())
    assert relayed(this, events.DataReceived(this.context.client, b"\xff\xff\xff\xff")) != [] or this.over


def test_the_end() -> None:
    """A close frame ends both sides."""
    this = relay(FakeGate())
    orders = from_agent(this, CloseConnection(1000))
    assert this.over
    closed = {order.connection for order in orders if isinstance(order, commands.CloseConnection)}
    assert closed == {this.context.client, this.context.server}


@pytest.mark.parametrize(
    "frame", [Ping(b"s3cr3t-value"), Pong(b"it was s3cr3t-value"), CloseConnection(1000, "s3cr3t-value")]
)
def test_a_secret_in_a_frame_that_is_no_message_cuts(frame: Any) -> None:
    """Pings, pongs and the words of an end carry bytes too."""
    with pytest.raises(Cut, match="secret_leaked"):
        from_upstream(relay(FakeGate()), frame)


def test_whatever_passes_is_progress() -> None:
    """A ping from either side counts; an end does not."""
    this = relay(FakeGate())
    from_agent(this, Ping(b""))
    from_upstream(this, Pong(b""), TextMessage("hi"))
    exchange: Any = this._exchange
    assert exchange.pieces == 2


@pytest.mark.parametrize(("late", "reason"), [(True, "answer_stalled"), (False, "upstream_closed")])
def test_an_upstream_that_goes_without_a_word_is_no_end(late: bool, reason: str) -> None:
    """Whether we closed because nothing passed, or it died: the agent is not told that all has been said."""
    this = relay(FakeGate())
    exchange: Any = this._exchange
    exchange.late = late
    with pytest.raises(Cut, match=reason):
        relayed(this, events.ConnectionClosed(this.context.server))


def test_an_agent_that_goes_without_a_word_ends_its_session() -> None:
    """It has had all that it wanted."""
    this = relay(FakeGate())
    assert relayed(this, events.ConnectionClosed(this.context.client))
    assert this.over
