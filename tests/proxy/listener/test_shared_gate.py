"""A gate behind which an agent has no more connections than it may."""

import asyncio

from proxy.errors import Refusal
from proxy.listener.shared_gate import SharedGate
from proxy.listener.shares import TAKEN, Shares
from proxy.stages import Arrived, Evidence, Released, Reply, Request
from tests.fakes.gate import DENIED, FakeGate

SHOWN = Evidence("192.0.2.1")


def arrived(connection: str) -> Arrived:
    request = Request("GET", "http", "a.test", 80, "/", "", (), b"")
    return Arrived("call_1", 0.0, connection, "forward", "p", request)


def shared(gate: FakeGate, *connections: str, most: int = 1) -> SharedGate:
    """These connections are there, and nobody knows whose."""
    shares = Shares(most)
    for name in connections:
        shares.enter(name, "192.0.2.1")
    return SharedGate(gate, 1, shares)


def tunnel(gate: SharedGate, connection: str) -> Reply | None:
    return asyncio.run(gate.admit_tunnel(connection, SHOWN, "a.test", 443))


def call(gate: SharedGate, connection: str, evidence: Evidence | None = SHOWN) -> Released | Reply:
    return asyncio.run(gate.admit_call(arrived(connection), evidence))


def test_a_tunnel_beyond_the_share_is_refused() -> None:
    """In words, on record; the first one has its place, however often it asks."""
    gate = FakeGate()
    one = shared(gate, "a", "b")
    assert tunnel(one, "a") is None
    assert tunnel(one, "a") is None
    refused = tunnel(one, "b")
    assert refused is not None
    assert refused.status == 503
    assert gate.refusals == [(TAKEN, "CONNECT a.test:443")]


def test_a_call_beyond_the_share_is_taken_back() -> None:
    """It was released, and nothing of it goes upstream: what was reserved for it is given back."""
    gate = FakeGate()
    one = shared(gate, "a", "b")
    assert isinstance(call(one, "a"), Released)
    refused = call(one, "b")
    assert isinstance(refused, Reply)
    assert (refused.status, [why for _, why in gate.never_sent]) == (503, ["too_many_connections"])


def test_calls_in_a_tunnel_are_not_asked_about() -> None:
    """The tunnel has its place."""
    gate = FakeGate()
    assert isinstance(call(shared(gate), "a", None), Released)


def test_a_refusal_of_the_gate_stands() -> None:
    """Whatever place there is."""
    gate = FakeGate(tunnel=lambda *_: DENIED, call=lambda _: DENIED)
    one = shared(gate, "a")
    assert tunnel(one, "a") is DENIED
    assert call(one, "a") is DENIED


def test_whoever_the_gate_cannot_name_has_no_place() -> None:
    """A failure there is no yes."""
    for gate in (FakeGate(fail=frozenset({"agent_of"})), FakeGate(agent=None), FakeGate(agent=7)):  # type: ignore[arg-type]  # on purpose
        one = shared(gate, "a")
        assert isinstance(tunnel(one, "a"), Reply)
        assert isinstance(call(one, "a"), Reply)
        assert one.agent_of("a") is None


def test_words_are_said_as_an_agent_understands() -> None:
    """A stable reason, and that asking again can help."""
    assert (TAKEN.reason, TAKEN.next_action) == ("too_many_connections", "retry")
    assert isinstance(TAKEN, Refusal)
