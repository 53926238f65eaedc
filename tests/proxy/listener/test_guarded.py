"""The one wrapper around the gate. tests/attacks/test_fail_closed.py shows the same with real sockets."""

import asyncio

import pytest

from proxy.errors import Refusal, refuse
from proxy.listener.guarded import GuardedGate
from proxy.stages import Arrived, Evidence, Released, Reply, Request
from tests.fakes.gate import DENIED, FakeGate

ARRIVED = Arrived("call_1", 0.0, "c", "connect", "p", Request("GET", "https", "a.test", 443, "/", "", (), b""))
REFUSAL = Refusal("some_reason", 431, "Too much.")


def call(gate: FakeGate, *, within: float = 1) -> Released | Reply:
    return asyncio.run(GuardedGate(gate, within).admit_call(ARRIVED, None))


def test_answers_pass_through() -> None:
    """A gate that works is heard as it is."""
    assert isinstance(call(FakeGate()), Released)
    assert call(FakeGate(call=lambda _: DENIED)) is DENIED
    assert asyncio.run(GuardedGate(FakeGate(), 1).admit_tunnel("c", Evidence("p"), "a.test", 443)) is None


@pytest.mark.parametrize("error", [RuntimeError(), asyncio.CancelledError(), TimeoutError(), MemoryError()])
def test_failures_refuse(error: BaseException) -> None:
    """Whatever is raised, what comes out is a 503."""
    gate = FakeGate(fail=frozenset({"admit_call", "admit_tunnel", "destination", "still_allowed"}), error=error)
    reply = call(gate)
    assert isinstance(reply, Reply)
    assert reply.status == 503
    tunnel = asyncio.run(GuardedGate(gate, 1).admit_tunnel("c", Evidence("p"), "a.test", 443))
    assert tunnel is not None
    assert tunnel.status == 503
    assert GuardedGate(gate, 1).still_allowed("c", None) == "check_failed"


def test_a_refusal_that_is_raised() -> None:
    """A refusal that comes as an exception keeps its own words."""
    gate = FakeGate(fail=frozenset({"admit_call"}), error=refuse("not_today", 403, "Not today."))
    reply = call(gate)
    assert isinstance(reply, Reply)
    assert (reply.status, b"not_today" in reply.body) == (403, True)


def test_too_late(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that does not come in time is a refusal, and the operator hears of it."""

    async def run() -> Released | Reply:
        late = await GuardedGate(FakeGate(wait=asyncio.Event()), 0.01).admit_call(ARRIVED, None)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0  # whoever asked goes on
        await asyncio.sleep(0)
        return late

    reply = asyncio.run(run())
    assert isinstance(reply, Reply)
    assert (reply.status, b"judged_too_long" in reply.body) == (503, True)
    assert "did not answer in time" in caplog.text


def test_too_late_for_a_refusal() -> None:
    """A refusal that cannot be worded in time stands in our words, and a tunnel that is judged too late stays shut."""

    async def never(*_: object) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    gate = FakeGate()
    gate.refuse = never  # type: ignore[method-assign]  # on purpose
    gate.admit_tunnel = never  # type: ignore[method-assign,assignment]  # on purpose
    assert asyncio.run(GuardedGate(gate, 0.01).refuse(REFUSAL, "c", "p", "x")).status == 431
    shut = asyncio.run(GuardedGate(gate, 0.01).admit_tunnel("c", Evidence("p"), "a.test", 443))
    assert shut is not None
    assert shut.status == 503


def test_a_refusal_stands_without_words() -> None:
    """If the gate cannot word a refusal, or words it as a success, ours stands."""

    async def words(*_: object) -> Reply:
        return Reply(200, (), b"fine")

    gate = FakeGate(fail=frozenset({"refuse"}))
    assert asyncio.run(GuardedGate(gate, 1).refuse(REFUSAL, "c", "p", "x")).status == 431
    lenient = FakeGate()
    lenient.refuse = words  # type: ignore[method-assign,assignment]  # on purpose
    assert asyncio.run(GuardedGate(lenient, 1).refuse(REFUSAL, "c", "p", "x")).status == 431


def test_a_failure_is_told_without_words() -> None:
    """If the gate cannot word what became of a call, or words it as nonsense, ours stands."""
    gate = FakeGate()
    release = gate.release(ARRIVED)
    assert GuardedGate(FakeGate(words=DENIED), 1).word(release, REFUSAL) is DENIED
    assert GuardedGate(FakeGate(fail=frozenset({"word"})), 1).word(release, REFUSAL).status == 431
    assert GuardedGate(FakeGate(words="nonsense"), 1).word(release, REFUSAL).status == 431  # type: ignore[arg-type]  # on purpose


def test_no_destination() -> None:
    """A gate that cannot say where to leads nowhere."""
    gate = FakeGate()
    release = gate.release(ARRIVED)
    assert GuardedGate(gate, 1).destination(release) is None


@pytest.mark.parametrize("answer", ["", False, 0, "agent_revoked"])
def test_only_none_is_a_yes(answer: object) -> None:
    """Access lives only if the gate says exactly that."""
    gate = FakeGate()
    gate.cut = answer  # type: ignore[assignment]  # on purpose
    assert GuardedGate(gate, 1).still_allowed("c", None)


@pytest.mark.parametrize("agent", [None, 7, ""])
def test_only_a_name_is_an_agent(agent: object) -> None:
    """Nobody is proven whom the gate does not name, or cannot."""
    gate = FakeGate(agent=agent)  # type: ignore[arg-type]  # on purpose
    assert not GuardedGate(gate, 1).agent_of("c")
    assert GuardedGate(FakeGate(fail=frozenset({"agent_of"})), 1).agent_of("c") is None
