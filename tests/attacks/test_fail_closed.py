"""Whatever fails, on purpose, in every place where something can fail: the upstream sees nothing."""

import asyncio
from collections.abc import Callable

import pytest

from proxy.listener import connection, conversation, exchange, tls_hooks, tunnel, upstreams
from proxy.listener.agent_reader import AgentReader
from proxy.listener.conversation import Conversation
from proxy.listener.exchange import Exchange
from proxy.listener.guarded import GuardedGate
from proxy.listener.shared_gate import SharedGate
from proxy.listener.shares import Shares
from proxy.listener.tls_contexts import AgentTls, UpstreamTls
from proxy.listener.upstream_layer import UpstreamLayer
from proxy.stages import Arrived, Evidence, Released, Reply
from tests.fakes.agents import CREDENTIAL, Rig, rig
from tests.fakes.gate import ASK_WHO, FakeGate, released
from tests.fakes.waiting import SwiftLoop, flying

ERRORS: dict[str, Callable[[], BaseException]] = {
    "an exception": lambda: RuntimeError("on purpose"),
    "a cancellation": asyncio.CancelledError,
    "a time-out": TimeoutError,
    "too deep a recursion": RecursionError,
}
GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"


async def through_a_tunnel(r: Rig) -> bytes:
    """Everything that an agent gets for a call through a tunnel."""
    wire = await r.dial()
    wire.send(f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{CREDENTIAL}\r\n\r\n".encode())
    try:
        head = await wire.head()
        if not head.startswith(b"HTTP/1.1 200 "):
            return head
        await wire.start_tls(r.trust(), "a.test")
        wire.send(GET)
        return (await wire.answer())[1]
    except TimeoutError:
        return b"hangs"
    except (OSError, asyncio.IncompleteReadError) as error:
        return b"closed" if not getattr(error, "partial", b"") else b"partial"
    finally:
        await wire.close()


def nothing_passes(gate: FakeGate, *, status: bytes | None = None) -> None:
    async def run() -> None:
        async with rig(gate=gate) as r:
            answer = await through_a_tunnel(r)
            assert bytes(r.upstream.raw) == b""
            assert answer == b"closed" or (status is not None and answer.startswith(b"HTTP/1.1 " + status)), answer
            assert gate.answers == []

    asyncio.run(run())


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
@pytest.mark.parametrize("method", ["admit_tunnel", "admit_call", "destination"])
def test_a_gate_that_fails(method: str, error: Callable[[], BaseException]) -> None:
    """When the gate cannot answer, the agent gets a clear 503."""
    nothing_passes(FakeGate(fail=frozenset({method}), error=error()), status=b"503")


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_a_gate_that_cannot_say_whether_access_lives(error: Callable[[], BaseException]) -> None:
    """When revocation cannot be checked, nothing is sent."""
    gate = FakeGate(fail=frozenset({"still_allowed"}), error=error())
    nothing_passes(gate, status=b"403")
    assert gate.answers == []


@pytest.mark.parametrize("verdict", [None, True, 200, "allow", object()])
def test_a_verdict_that_is_no_verdict(verdict: object) -> None:
    """Only a `Released` lets a call pass; anything else is a refusal, however affirmative."""
    nothing_passes(FakeGate(call=lambda _: verdict), status=b"503")  # type: ignore[arg-type,return-value]  # on purpose


@pytest.mark.parametrize("verdict", [True, 200, "allow", object()])
def test_a_tunnel_verdict_that_is_no_verdict(verdict: object) -> None:
    """Only None opens a tunnel."""
    nothing_passes(FakeGate(tunnel=lambda *_: verdict), status=b"503")  # type: ignore[arg-type,return-value]  # on purpose


def test_a_gate_that_takes_too_long() -> None:
    """A decision that does not come in time is a refusal."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate, decision_timeout=10) as r:
            assert (await flying(through_a_tunnel(r))).startswith(b"HTTP/1.1 503 ")
            assert bytes(r.upstream.raw) == b""

    asyncio.run(run(), loop_factory=SwiftLoop)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS.keys())
def test_a_gate_that_cannot_even_refuse(error: Callable[[], BaseException]) -> None:
    """A refusal stands even if the gate cannot word it."""

    async def run() -> None:
        gate = FakeGate(fail=frozenset({"refuse"}), error=error())
        async with rig(gate=gate) as r:
            wire = await r.tunnel()
            status, _, body = await wire.ask("GET / HTTP/1.1\nHost: b.test")
            assert (status, b"NOT EXECUTED" in body) == (421, True)
            await wire.close()

    asyncio.run(run())


@pytest.mark.parametrize("method", ["answered", "closed", "unsent"])
def test_a_gate_that_fails_afterwards(method: str) -> None:
    """What fails when a call is over harms neither this connection nor the next."""

    async def run() -> None:
        gate = FakeGate(fail=frozenset({method}))
        async with rig(gate=gate) as r:
            for _ in range(2):
                assert (await through_a_tunnel(r)).startswith(b"HTTP/1.1 200 ")

    asyncio.run(run())


# (where, what): replaced by something that raises. The last column: whether bytes may already have gone upstream.
PLACES = [
    (AgentReader, "feed"),
    (AgentReader, "next_item"),
    (Conversation, "_begin"),
    (Conversation, "_decide"),
    (Conversation, "_arrived"),
    (Conversation, "_forward"),
    (Conversation, "_send"),
    (Conversation, "_handle"),
    (Exchange, "prepare"),
    (GuardedGate, "admit_call"),
    (GuardedGate, "admit_tunnel"),
    (GuardedGate, "destination"),
    (SharedGate, "admit_call"),
    (SharedGate, "admit_tunnel"),
    (Shares, "prove"),
    (AgentTls, "connection"),
    (UpstreamTls, "connection"),
    (UpstreamLayer, "_handle_event"),
    (connection.AgentConnection, "_perform"),
    (connection.AgentConnection, "_hook"),
    (connection.AgentConnection, "_ask"),
    (connection.AgentConnection, "_open"),
    (connection.AgentConnection, "_connect"),
    (tls_hooks, "check_server_name"),
    (connection, "dial"),
    (conversation, "new_id"),
    (exchange, "outgoing_bytes"),
    (tunnel, "starts_like_tls_record"),
    (upstreams, "upstream_stack"),
]


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
@pytest.mark.parametrize(("owner", "name"), PLACES, ids=[f"{owner.__name__}.{name}" for owner, name in PLACES])
def test_our_own_code_that_fails(
    owner: object, name: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in any step of ours closes the connection or refuses; the upstream sees nothing, and the listener lives."""

    def broken(*_: object, **__: object) -> None:
        raise error("on purpose")

    async def run() -> None:
        async with rig() as r:
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, broken)
                answer = await flying(through_a_tunnel(r))
                assert answer == b"closed" or answer.startswith(b"HTTP/1.1 50"), answer
                assert bytes(r.upstream.raw) == b""
            assert (await through_a_tunnel(r)).startswith(b"HTTP/1.1 200 ")

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_a_released_call_for_another_place() -> None:
    """The second gate: a request that does not fit the destination of its call is not sent anywhere."""

    def elsewhere(arrived: Arrived) -> Released | Reply:
        return released(arrived, arrived.request)

    async def run() -> None:
        gate = FakeGate(call=elsewhere)
        async with rig(gate=gate, names=("b.test",)) as r:
            assert (await through_a_tunnel(r)).startswith(b"HTTP/1.1 502 ")
            assert bytes(r.upstream.raw) == b""
            assert [reason for _, reason in gate.never_sent] == ["unsendable"]

    asyncio.run(run())


def test_no_connection_without_a_permit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second gate: if the release were forgotten, the connection would not be opened."""

    async def run() -> None:
        async with rig() as r:
            monkeypatch.setattr("proxy.listener.permit.Permits.add", lambda *_: None)
            assert (await through_a_tunnel(r)).startswith(b"HTTP/1.1 502 ")
            assert r.upstream.connections == 0

    asyncio.run(run())


def test_no_byte_without_a_permit_on_an_open_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second gate stands at every request, also when an upstream connection is used again."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            assert (await wire.ask("GET /1 HTTP/1.1\nHost: a.test"))[0] == 200
            monkeypatch.setattr("proxy.listener.permit.Permits.add", lambda *_: None)
            wire.send(b"GET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert await wire.rest() == b""
            assert [seen.first_line for seen in r.upstream.seen] == ["GET /1 HTTP/1.1"]
            await wire.close()

    asyncio.run(run())


def test_access_that_ended_between_decision_and_sending() -> None:
    """A call that was released is not sent if access has ended meanwhile, and is accounted for as never sent."""

    async def run() -> None:
        gate = FakeGate()

        def call(arrived: Arrived) -> Released | Reply:
            gate.cut = "agent_revoked"
            return gate.release(arrived)

        gate.call = call
        async with rig(gate=gate, sweep_interval=10) as r:
            assert (await through_a_tunnel(r)).startswith(b"HTTP/1.1 403 ")
            assert bytes(r.upstream.raw) == b""
            assert [reason for _, reason in gate.never_sent] == ["agent_revoked"]

    asyncio.run(run())


def test_refused_identity_opens_no_tunnel() -> None:
    """The gate's 407 goes to the client with both challenges, and the connection may try again."""

    def who(evidence: Evidence, host: str, port: int) -> Reply | None:
        return None if evidence.credentials else ASK_WHO

    async def run() -> None:
        async with rig(gate=FakeGate(tunnel=who)) as r:
            wire = await r.dial()
            status, head, _ = await wire.ask("CONNECT a.test:443 HTTP/1.1\nHost: a.test:443")
            assert status == 407
            assert head.count(b"proxy-authenticate:") == 2
            assert head.index(b"Basic") < head.index(b"Bearer")
            status, _, _ = await wire.ask(f"CONNECT a.test:443 HTTP/1.1\nHost: a.test:443\n{CREDENTIAL}")
            assert status == 200
            await wire.close()

    asyncio.run(run())
