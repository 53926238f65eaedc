"""TLS that is open, driven by hand against a peer that is Python's own TLS, beside mitmproxy's layer as it is."""

import contextlib
import ssl
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import tls
from OpenSSL import SSL

from proxy.listener.open_tls import READ, OpenTls
from proxy.listener.profile import GovernedContext
from tests.fakes.upstream import authority


class OurLayer(OpenTls, tls.ServerTLSLayer):
    """Ours, on mitmproxy's."""


LAYERS = [OurLayer, tls.ServerTLSLayer]


class Child(layer.Layer):
    """Notes what reaches it, and says what it is told to."""

    def __init__(self, context: GovernedContext) -> None:
        super().__init__(context)
        self.heard: list[events.Event] = []
        self.next: list[commands.Command] = []

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        self.heard.append(event)
        said, self.next = self.next, []
        yield from said


def open_server() -> Server:
    """An upstream connection whose socket is open."""
    server = Server(address=("a.test", 443))
    server.state = ConnectionState.OPEN
    return server


class Line:
    """A TLS layer whose handshake with a peer is over; `sent` is what it has the socket send."""

    def __init__(self, make: Callable[[GovernedContext, Server], layer.Layer], *, asks_back: bool = False) -> None:
        context = GovernedContext(Client(peername=("p", 1), sockname=("s", 2)))
        self.server = context.server = open_server()
        self.layer = make(context, self.server)
        self.child = self.layer.child_layer = Child(context)  # type: ignore[attr-defined]  # every TLS layer has one
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority().issue_cert("a.test").configure_cert(trust)
        trust.verify_mode = ssl.CERT_REQUIRED if asks_back else ssl.CERT_NONE
        self.peer = trust.wrap_bio(self._in, self._out, server_side=True)
        self.other: list[commands.Command] = []
        self.take(events.Start())
        for _ in range(4):
            with contextlib.suppress(ssl.SSLError):
                self.peer.do_handshake()
            self.deliver()

    def take(self, event: events.Event) -> None:
        """One event in, and what is commanded done."""
        for command in self.layer.handle_event(event):
            if isinstance(command, tls.TlsStartServerHook):
                command.data.ssl_conn = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
                command.data.ssl_conn.set_connect_state()
                self.take(events.HookCompleted(command))
            elif isinstance(command, commands.StartHook):
                self.take(events.HookCompleted(command))
            elif isinstance(command, commands.SendData) and command.connection is self.server:
                self._in.write(command.data)
            else:
                self.other.append(command)

    def deliver(self, size: int = READ) -> None:
        """What the peer has sent so far, in pieces of this size."""
        while data := self._out.read(size):
            self.take(events.DataReceived(self.server, data))

    def say(self, *said: commands.Command) -> None:
        """The child says this."""
        self.child.next = list(said)
        self.take(events.Wakeup(commands.RequestWakeup(0)))

    def read(self, count: int) -> bytes:
        """So many bytes as the peer finds in what was sent. Raises if that is less, or no TLS."""
        found = b""
        while len(found) < count:
            found += self.peer.read(count - len(found))
        return found


def data_of(heard: list[events.Event]) -> Iterator[bytes]:
    return (event.data for event in heard if isinstance(event, events.DataReceived))


@pytest.mark.parametrize("make", LAYERS)
@given(said=st.binary(min_size=1, max_size=40_000), size=st.sampled_from([1_000, 16_384, READ]))
def test_what_the_peer_says_reaches_the_child(make: Callable[..., layer.Layer], said: bytes, size: int) -> None:
    """The child hears every byte of the peer in order, however it is cut into pieces, as it does with mitmproxy's."""
    line = Line(make)
    line.peer.write(said)
    line.deliver(size)
    assert b"".join(data_of(line.child.heard)) == said


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("size", [1, 16_384, READ - 22, READ, READ + 1, 3 * READ])
def test_all_that_the_child_says_is_sent(make: Callable[..., layer.Layer], size: int) -> None:
    """What the child says leaves at once, whole and encrypted, also if that fills what is taken out at a time."""
    line = Line(make)
    said = bytes(range(256)) * (size // 256 + 1)
    line.say(commands.SendData(line.server, said[:size]))
    assert line.read(size) == said[:size]
    assert not line.other


@pytest.mark.parametrize("make", LAYERS)
def test_a_full_reading_is_not_the_end(make: Callable[..., layer.Layer], monkeypatch: pytest.MonkeyPatch) -> None:
    """If exactly as much waits as is taken out at a time, that goes out, and nothing is missing or said twice."""
    line = Line(make)
    pieces = [b"x" * READ, b"y" * 10]

    class Waiting:
        def bio_read(self, size: int) -> bytes:
            assert size == READ
            if not pieces:
                raise SSL.WantReadError
            return pieces.pop(0)

    monkeypatch.setattr(line.layer, "tls", Waiting())
    sent = [order.data for order in line.layer.tls_interact()]  # type: ignore[attr-defined]  # of a TLS layer
    assert [len(data) for data in sent] == [READ, 10]


@pytest.mark.parametrize("make", LAYERS)
def test_only_what_is_for_others_passes_as_it_is(make: Callable[..., layer.Layer]) -> None:
    """A command for another connection, or for none, goes on unchanged; data for our own never does in plain text."""
    line = Line(make)
    other = Server(address=("b.test", 80))
    foreign, neutral = commands.SendData(other, b"plain"), commands.RequestWakeup(1.0)
    line.say(foreign, commands.SendData(line.server, b"secret"), neutral)
    assert line.other == [foreign, neutral]
    assert line.read(6) == b"secret"


@pytest.mark.parametrize("make", LAYERS)
def test_an_equal_connection_is_our_own(make: Callable[..., layer.Layer]) -> None:
    """What the child sends to another object for the same connection is encrypted all the same."""
    line = Line(make)
    line.say(commands.SendData(Server(address=("a.test", 443), id=line.server.id), b"secret"))
    assert not line.other
    assert line.read(6) == b"secret"


@pytest.mark.parametrize("make", LAYERS)
def test_closing(make: Callable[..., layer.Layer]) -> None:
    """The child hears once that the peer has closed, and its own closing is passed on."""
    line = Line(make)
    line.say(commands.CloseConnection(line.server))
    assert [type(command) for command in line.other] == [commands.CloseConnection]
    line.take(events.ConnectionClosed(line.server))
    line.take(events.Wakeup(commands.RequestWakeup(0)))
    assert [type(event) for event in line.child.heard if isinstance(event, events.ConnectionEvent)] == [
        events.ConnectionClosed
    ]


ENDS = {
    "an alert": lambda _: None,
    "what is no TLS": lambda line: line.take(events.DataReceived(line.server, b"\x17\x03\x03\x00\x20" + b"x" * 32)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_broken_tls_is_a_closed_connection(end: Callable[[Line], None]) -> None:
    """It is closed at once and taken for closed, and the child hears of it once; of an alert mitmproxy tells nobody."""
    line = Line(OurLayer, asks_back=end is ENDS["an alert"])
    end(line)
    assert [type(command) for command in line.other] == [commands.CloseConnection]
    assert line.server.state is ConnectionState.CLOSED
    line.take(events.ConnectionClosed(line.server))
    assert [type(event) for event in line.child.heard] == [events.Start, events.ConnectionClosed]


def test_what_came_before_tls_broke_is_heard() -> None:
    """The answer that is complete reaches the child, though the record after it is none."""
    line = Line(OurLayer)
    line.peer.write(b"whole")
    line.take(events.DataReceived(line.server, line._out.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32))
    assert b"".join(data_of(line.child.heard)) == b"whole"
    assert [type(command) for command in line.other] == [commands.CloseConnection]


@pytest.mark.parametrize("make", LAYERS)
def test_a_goodbye_is_heard_once(make: Callable[..., layer.Layer]) -> None:
    """What the peer said before it is heard first, and the closing of the socket after it is no second one."""
    line = Line(make)
    line.peer.write(b"last words")
    with contextlib.suppress(ssl.SSLWantReadError):
        line.peer.unwrap()
    line.deliver()
    line.take(events.ConnectionClosed(line.server))
    heard = [event for event in line.child.heard if isinstance(event, events.ConnectionEvent)]
    assert [type(event) for event in heard] == [events.DataReceived, events.ConnectionClosed]
    assert b"".join(data_of(heard)) == b"last words"


@pytest.mark.parametrize("make", LAYERS)
def test_nothing_is_heard_before_the_handshake(make: Callable[..., layer.Layer]) -> None:
    """An event that comes before the handshake is over waits for its end."""
    context = GovernedContext(Client(peername=("p", 1), sockname=("s", 2)))
    context.server = open_server()
    one = make(context, context.server)
    child = one.child_layer = Child(context)  # type: ignore[attr-defined]  # every TLS layer has one
    (hook,) = list(one.handle_event(events.Start()))
    assert isinstance(hook, tls.TlsStartServerHook)
    hook.data.ssl_conn = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    hook.data.ssl_conn.set_connect_state()
    list(one.handle_event(events.HookCompleted(hook)))
    list(one.handle_event(events.Wakeup(commands.RequestWakeup(0))))
    assert child.heard == []
