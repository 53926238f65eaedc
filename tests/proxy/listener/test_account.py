"""Every released call is accounted for exactly once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.account import Account
from proxy.listener.guarded import GuardedGate
from proxy.listener.permit import Permit, Permits
from proxy.stages import Arrived, Destination, Request
from tests.fakes.gate import FakeGate, released

HERE = Destination("https", "a.test", 443)


def account(gate: FakeGate) -> tuple[Account, Permits, Permit]:
    request = Request("GET", "https", "a.test", 443, "/", "", (), b"")
    permit = Permit(released(Arrived("call_1", 0.0, "c", "connect", "p", request), request), HERE)
    permits = Permits()
    permits.add(permit)
    return Account(GuardedGate(gate, 1), permits, permit, lambda: 7.0), permits, permit


def test_a_whole_answer() -> None:
    """Status, size and times of a complete answer."""
    gate = FakeGate()
    this, permits, permit = account(gate)
    this.sending()
    this.received(0)
    this.received(5)
    this.finish(200)
    assert [(a.status, a.response_bytes, a.first_byte_at, a.ended_at, a.error, a.sent) for a in gate.answers] == [
        (200, 5, 7.0, 7.0, "", True)
    ]
    assert not permits.allows(permit, HERE)


def test_never_sent() -> None:
    """Before the first byte, a failure means that the call was not executed."""
    gate = FakeGate()
    this, permits, permit = account(gate)
    this.fail("no address")
    assert [error for _, error in gate.never_sent] == ["no address"]
    assert not permits.allows(permit, HERE)


def test_sent_and_failed() -> None:
    """After the first byte, nobody knows: status 0, and why."""
    gate = FakeGate()
    this, _, _ = account(gate)
    this.sending()
    this.fail("reset")
    assert [(a.status, a.error, a.sent) for a in gate.answers] == [(0, "reset", True)]


STEPS = st.lists(st.sampled_from(["sending", "received", "finish", "fail"]), min_size=1, max_size=8)


@given(STEPS)
def test_whatever_happens_it_is_told_once(steps: list[str]) -> None:
    """No sequence of events tells of a call twice; every sequence with an ending tells of it."""
    gate = FakeGate()
    this, permits, permit = account(gate)
    for step in steps:
        match step:
            case "sending":
                this.sending()
            case "received":
                this.received(1)
            case "finish":
                this.finish(200)
            case _:
                this.fail("x")
    ended = bool({"finish", "fail"} & set(steps))
    assert len(gate.answers) + len(gate.never_sent) == ended
    assert this.ended is ended
    assert permits.allows(permit, HERE) is not ended


@pytest.mark.parametrize("method", ["answered", "unsent"])
def test_a_gate_that_fails_to_listen(method: str) -> None:
    """The permit ends even if the gate cannot be told."""
    gate = FakeGate(fail=frozenset({method}))
    this, permits, permit = account(gate)
    if method == "answered":
        this.sending()
    this.fail("x")
    assert not permits.allows(permit, HERE)
