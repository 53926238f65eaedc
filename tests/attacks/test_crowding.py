"""Whoever takes all the connections that it can, with real sockets: the others still get theirs, and it hears why."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from tests.fakes.agents import CREDENTIAL, Rig, Wire, rig
from tests.fakes.gate import ASK_WHO, FakeGate
from tests.fakes.waiting import SwiftLoop, fly, flying, until

GET = "GET / HTTP/1.1\nHost: a.test"


@contextlib.asynccontextmanager
async def crowd(r: Rig, count: int, *, address: str = "127.0.0.1", sends: bytes = b"") -> AsyncIterator[list[Wire]]:
    """So many connections from this address that say this and nothing more."""
    wires = []
    for _ in range(count):
        wire = Wire(*await asyncio.open_connection(*r.listener.proxy_address, local_addr=(address, 0)))
        wire.send(sends)
        wires.append(wire)
    try:
        yield wires
    finally:
        for wire in wires:
            await wire.close()


@pytest.mark.parametrize(
    "sends", [b"", b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.te", b"GET http://a.test/ HTTP/1.1\r\n"]
)
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_an_agent_is_served_beside_a_crowd_that_says_nothing(address: str, sends: bytes) -> None:
    """From its own address or another; the crowd's oldest make room, and what was proven before stays."""

    async def run() -> None:
        async with rig(max_connections=60) as r:
            before = await r.tunnel()
            async with crowd(r, 200, address=address, sends=sends) as wires:
                await until(lambda: r.listener.shares.refused >= 170)
                during = await r.tunnel()
                for wire in (before, during):
                    assert (await wire.ask(GET))[0] == 200
                    await wire.close()
                assert r.listener.shares.unproven <= 30
                if not sends:
                    answer = await wires[0].rest()
                    assert answer.startswith(b"HTTP/1.1 503 ")
                    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == "too_many_connections"
            assert {refusal.reason for refusal, _ in r.gate.refusals} == {"too_many_connections"}

    asyncio.run(run())


def test_a_crowd_in_tls_makes_room_too() -> None:
    """Handshakes that are begun and never ended count like anything else that is not proven."""

    async def run() -> None:
        async with rig(max_connections=40, proxy_tls=("127.0.0.1", 0)) as r:
            address = r.listener.proxy_tls_address
            assert address is not None
            flood = [socket.create_connection(address) for _ in range(100)]
            for one in flood:
                with contextlib.suppress(OSError):
                    one.sendall(b"\x16\x03\x01\x02\x00\x01")
            await until(lambda: r.listener.shares.refused >= 80)
            wire = await r.tunnel_over(await r.dial_tls())
            assert (await wire.ask(GET))[0] == 200
            await wire.close()
            for one in flood:
                one.close()

    asyncio.run(run())


def test_one_agent_leaves_room_for_another() -> None:
    """At half of all places it is told to close some; another agent gets its own, and closing one makes room."""

    async def run() -> None:
        async with rig(max_connections=36) as r:
            mine = [await r.tunnel() for _ in range(9)]
            refused = await r.dial()
            refused.send(f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{CREDENTIAL}\r\n\r\n".encode())
            status, _, body = await refused.answer()
            assert (status, body) == (503, b"too_many_connections")
            r.gate.agent = "other"
            theirs = await r.tunnel()
            assert (await theirs.ask(GET))[0] == 200
            r.gate.agent = "bot"
            for wire in (mine.pop(), mine.pop(), refused):
                await wire.close()
            await until(lambda: r.listener.shares.proven == 8)
            mine.append(await r.tunnel())
            for wire in (*mine, theirs):
                assert (await wire.ask(GET))[0] == 200
                await wire.close()

    asyncio.run(run())


def test_calls_without_a_tunnel_count_alike() -> None:
    """A call beyond the share was released, and is taken back before a byte of it is sent."""

    async def run() -> None:
        async with rig(names=(), max_connections=1) as r:
            ask = f"GET http://a.test/ HTTP/1.1\nHost: a.test\n{CREDENTIAL}"
            first = await r.dial()
            assert (await first.ask(ask))[0] == 200
            second = await r.dial()
            assert (await second.ask(ask))[0] == 503
            assert (await first.ask(ask))[0] == 200
            assert len(r.upstream.seen) == 2
            assert [why for _, why in r.gate.never_sent] == ["too_many_connections"]
            await first.close()
            await second.close()

    asyncio.run(run())


def test_whoever_goes_on_asking_unproven_is_not_waited_for() -> None:
    """A new wrong credential before each idle time-out kept a connection open for ever."""

    async def run() -> None:
        gate = FakeGate(call=lambda _: ASK_WHO, agent=None)
        async with rig(gate=gate, names=(), proof_timeout=10) as r:
            wire = await r.dial()
            ask = "GET http://a.test/ HTTP/1.1\nHost: a.test\nProxy-Authorization: Basic Ym90OndAb25n"
            assert (await wire.ask(ask))[0] == 407
            await flying(wire.rest())  # which gives up long before the idle time-out
            await wire.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_a_call_that_waits_for_people_keeps_its_connection() -> None:
    """It is proven, though it was never released: neither the deadline nor a crowd ends it."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        assert gate.wait is not None
        async with rig(gate=gate, names=(), max_connections=10, proof_timeout=10) as r:
            held = await r.dial()
            held.send(f"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{CREDENTIAL}\r\n\r\n".encode())
            await gate.asked.wait()
            await fly(20)
            async with crowd(r, 30):
                await until(lambda: r.listener.shares.refused >= 25)
                gate.wait.set()
                assert (await held.answer())[0] == 200
            await held.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_bodies_of_nobody_fill_no_memory() -> None:
    """Each is below the limit, and a thousand of them were a gigabyte, kept before anybody was asked who sends it."""

    async def run() -> None:
        head = b"POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n"
        async with rig(names=(), max_unproven_bytes=3_000_000) as r, crowd(r, 20, sends=head + b"x" * 900_000):
            await until(lambda: r.listener.shares.refused >= 17)
            assert r.listener.shares.unproven <= 3
            wire = await r.dial()
            assert (await wire.ask(f"GET http://a.test/ HTTP/1.1\nHost: a.test\n{CREDENTIAL}"))[0] == 200
            body = f"POST http://a.test/ HTTP/1.1\nHost: a.test\nContent-Length: 900000\n{CREDENTIAL}"
            for _ in range(5):
                assert (await wire.ask(body, b"x" * 900_000))[0] == 200
            await wire.close()

    asyncio.run(run())


def test_whoever_had_to_go_gets_nothing_done() -> None:
    """A call that was being judged when its connection had to make room is given up, even if it would be allowed."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event(), agent=None)
        assert gate.wait is not None
        async with rig(gate=gate, names=(), max_connections=2) as r:
            going = await r.dial()
            going.send(f"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{CREDENTIAL}\r\n\r\n".encode())
            await gate.asked.wait()
            async with crowd(r, 1):
                said = await going.rest()
                gate.agent = "bot"
                gate.wait.set()
                await until(lambda: len(r.listener.connections()) <= 1)
            assert said.startswith(b"HTTP/1.1 503 ")
            assert said.count(b"HTTP/1.1") == 1
            assert r.upstream.seen == []
            await going.close()

    asyncio.run(run())


def test_in_tls_the_words_arrive_too() -> None:
    """Whoever has ended its handshake and said nothing yet is told why it has to go."""

    async def run() -> None:
        async with rig(max_connections=2, proxy_tls=("127.0.0.1", 0)) as r:
            first = await r.dial_tls()
            async with crowd(r, 1):
                assert (await first.rest()).startswith(b"HTTP/1.1 503 ")
            await first.close()

    asyncio.run(run())
