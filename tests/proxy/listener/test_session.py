"""What a connection and its layers share."""

from pathlib import Path

from proxy.listener.evidence import SocketEvidence
from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.permit import Permit
from proxy.listener.session import Session
from proxy.stages import Arrived, Destination, Evidence, Request
from tests.fakes.gate import FakeGate, released

HERE = Destination("https", "a.test", 443)


def session(gate: FakeGate, now: float = 100.0) -> Session:
    return Session("c", "p", GuardedGate(gate, 1), ListenerOptions(ca_directory=Path("x")), lambda: now)


def permit() -> Permit:
    request = Request("GET", "https", "a.test", 443, "/", "", (), b"")
    return Permit(released(Arrived("call_1", 0.0, "c", "connect", "p", request), request), HERE)


def test_a_new_connection_must_say_something() -> None:
    """The clock runs from the first moment, and stops while the agent waits for us."""
    this = session(FakeGate())
    assert this.deadline == 110.0
    this.expect_within(None)
    assert this.deadline is None


def test_a_release_is_in_force_until_the_connection_is_over() -> None:
    """Abandoning ends the permit and gives the call back."""
    gate = FakeGate()
    this, one = session(gate), permit()
    this.released(one)
    assert this.passing
    assert this.permits.allows(one, HERE)
    this.abandon("client_disconnected")
    assert not this.passing
    assert not this.permits.allows(one, HERE)
    assert [reason for _, reason in gate.never_sent] == ["client_disconnected"]
    this.abandon("again")
    assert len(gate.never_sent) == 1


def test_access_is_asked_for_the_call_that_is_under_way() -> None:
    """During a call the gate is asked about that call, otherwise about the connection."""
    asked: list[object] = []

    class Asking(FakeGate):
        def still_allowed(self, connection: str, released: object) -> str | None:
            asked.append(released)
            return None

    this, one = session(Asking()), permit()
    this.still_allowed()
    this.released(one).sending()
    this.still_allowed()
    assert asked == [None, one.released]


def test_inside_a_tunnel_the_socket_adds_nothing() -> None:
    """What was presented gets what the socket proves beside it; where nothing may be presented, nothing comes."""
    gate = GuardedGate(FakeGate(), 1)
    socket = SocketEvidence(None, lambda: (b"der",))
    this = Session("c", "p", gate, ListenerOptions(ca_directory=Path("x")), lambda: 1.0, socket)
    assert this.evidence(Evidence("p")) == Evidence("p", certificates=(b"der",))
    assert this.evidence(None) is None
