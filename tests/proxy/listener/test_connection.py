"""What an agent's connection carries: streams, errors, disconnects, limits."""

import asyncio
import contextlib
import resource

import pytest

from proxy.stages import Injection, Secret
from tests.fakes.agents import rig
from tests.fakes.gate import DENIED, FakeGate
from tests.fakes.upstream import Seen, answer, says
from tests.fakes.waiting import PATIENCE, SwiftLoop, flying, within

GET = "GET / HTTP/1.1\nHost: a.test"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"


def test_server_sent_events_arrive_at_once() -> None:
    """Each event reaches the agent when the upstream sends it, not when the stream ends."""

    async def run() -> None:
        go_on = asyncio.Event()

        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            writer.write(CHUNKED)
            for number in range(3):
                writer.write(b"9\r\ndata: %d\n\n\r\n" % number)
                await writer.drain()
                await go_on.wait()
                go_on.clear()
            writer.write(b"0\r\n\r\n")

        async with rig(handler) as r:
            wire = await r.tunnel()
            wire.send(GET.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            assert b"text/event-stream" in await wire.head()
            async with asyncio.timeout(PATIENCE):
                for number in range(3):
                    assert await wire.reader.readexactly(14) == b"9\r\ndata: %d\n\n\r\n" % number
                    go_on.set()
                assert await wire.reader.readexactly(5) == b"0\r\n\r\n"
            await wire.close()
            assert r.gate.answers[0].response_bytes == 27

    asyncio.run(run())


def test_a_large_answer_takes_little_memory() -> None:
    """100 MB pass through while our memory stays where it is, also when the agent reads slowly."""
    size = 100 * 2**20

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = b"x" * 2**18
        for _ in range(size // len(piece)):
            writer.write(piece)
            await writer.drain()

    async def run() -> None:
        async with rig(handler) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await wire.head()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            got = 0
            while got < size:
                got += len(await wire.reader.read(2**20))
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            await wire.close()
            assert grown < 24 * 1024, f"{grown} KiB"
            assert r.gate.answers[0].response_bytes == size

    asyncio.run(run())


def test_revocation_cuts_a_stream() -> None:
    """When access ends, the answer that is under way is cut, well within a second, and not ended politely."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(b"9\r\ndata: x\n\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with rig(handler) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await wire.head()
            r.gate.cut = "agent_revoked"
            with within(1):
                rest = await wire.rest()
            assert not rest.endswith(b"0\r\n\r\n")
            await wire.close()
            assert [(a.status, a.error, a.sent) for a in r.gate.answers] == [(0, "agent_revoked", True)]

    asyncio.run(run())


def test_cut_from_outside() -> None:
    """A connection that is named is closed at once, and only that one."""

    async def run() -> None:
        async with rig() as r:
            one, other = await r.tunnel(), await r.tunnel()
            first = r.gate.tunnels[0][0]
            assert len(r.listener.connections()) == 2
            r.listener.cut(first, "test")
            assert await one.rest() == b""
            assert (await other.ask(GET))[0] == 200
            await one.close()
            await other.close()

    asyncio.run(run())


def test_the_upstream_connection_is_used_again() -> None:
    """Three requests on one tunnel need one upstream connection."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            for _ in range(3):
                assert (await wire.ask(GET))[0] == 200
            assert r.upstream.connections == 1
            await wire.close()

    asyncio.run(run())


def test_an_upstream_that_closed_is_connected_to_anew() -> None:
    """An upstream may close between requests; the next request gets a new connection."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer(b"hello", "200 OK", "Connection: close"))
        await writer.drain()
        return False

    async def run() -> None:
        async with rig(handler) as r:
            wire = await r.tunnel()
            for _ in range(3):
                assert (await wire.ask(GET))[0] == 200
            assert r.upstream.connections == 3
            await wire.close()

    asyncio.run(run())


def test_a_refused_call_leaves_the_connection_open() -> None:
    """The gate's answer goes to the agent as it is, and the next request is judged as usual."""

    async def run() -> None:
        gate = FakeGate(call=lambda _: DENIED)
        async with rig(gate=gate) as r:
            wire = await r.tunnel()
            status, head, body = await wire.ask("POST / HTTP/1.1\nHost: a.test\nContent-Length: 2", b"{}")
            assert (status, body) == (403, DENIED.body)
            assert b"connection: close" not in head
            gate.call = None
            assert (await wire.ask(GET))[0] == 200
            await wire.close()

    asyncio.run(run())


def test_interim_answers_are_dropped() -> None:
    """103 Early Hints is not the answer; the answer comes after it."""

    async def run() -> None:
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        async with rig(says(hints + answer())) as r:
            wire = await r.tunnel()
            assert (await wire.ask(GET))[2] == b"hello"
            await wire.close()

    asyncio.run(run())


def test_trailers_of_an_answer_are_dropped() -> None:
    """Trailers neither hang the connection nor reach the agent."""

    async def run() -> None:
        async with rig(says(CHUNKED + b"2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n")) as r:
            wire = await r.tunnel()
            assert (await wire.ask(GET))[2] == b"hi"
            assert (await wire.ask(GET))[2] == b"hi"
            await wire.close()

    asyncio.run(run())


BROKEN = {
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "folded field": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"SSH-2.0-x\r\n\r\n",
    "large head": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "only interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40,
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\n",
    "gzip in transit": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_an_answer_that_cannot_be_understood(raw: bytes) -> None:
    """The agent gets a clear 502 that does not claim to know whether the call took effect."""

    async def run() -> None:
        async with rig(says(raw, close=True)) as r:
            wire = await r.tunnel()
            status, _, body = await wire.ask(GET)
            assert (status, b"OUTCOME UNKNOWN" in body) == (502, True)
            await wire.close()
            assert [(a.status, a.sent) for a in r.gate.answers] == [(0, True)]

    asyncio.run(run())


def test_an_answer_that_breaks_off() -> None:
    """An answer that is incomplete does not look complete to the agent."""

    async def run() -> None:
        async with rig(says(CHUNKED + b"5\r\nhello\r\n", close=True)) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            assert not (await wire.rest()).endswith(b"0\r\n\r\n")
            await wire.close()
            assert [(a.status, bool(a.error)) for a in r.gate.answers] == [(0, True)]

    asyncio.run(run())


def test_an_answer_without_a_length() -> None:
    """An answer that ends with its connection reaches the agent in chunks, so that it sees where it ends."""

    async def run() -> None:
        async with rig(says(b"HTTP/1.1 200 OK\r\n\r\nuntil the end", close=True)) as r:
            wire = await r.tunnel()
            status, head, body = await wire.ask(GET)
            assert (status, body) == (200, b"until the end")
            assert b"transfer-encoding: chunked" in head
            await wire.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("request_line", "raw"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
    ],
)
def test_answers_without_a_body(request_line: str, raw: bytes) -> None:
    """HEAD, 204 and 304 have no body, and the connection goes on."""

    async def run() -> None:
        async with rig(says(raw)) as r:
            wire = await r.tunnel()
            for _ in range(2):
                wire.send(f"{request_line} / HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
                head = await wire.head()
                assert b"transfer-encoding" not in head
            assert len(r.upstream.seen) == 2
            await wire.close()

    asyncio.run(run())


def test_http_1_0_agents() -> None:
    """An HTTP/1.0 agent gets no chunks, and the connection ends with the answer."""

    async def run() -> None:
        async with rig(says(CHUNKED + b"2\r\nhi\r\n0\r\n\r\n")) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n")
            answer = await wire.rest()
            assert answer.endswith(b"\r\n\r\nhi")
            await wire.close()

    asyncio.run(run())


def test_hop_by_hop_fields_stay_on_their_hop() -> None:
    """What belongs to one connection, or claims to come from a proxy, does not get through in either direction."""
    fields = (
        "Connection: keep-alive, te\nKeep-Alive: 5\nTE: trailers\nProxy-Connection: keep-alive\n"
        "Proxy-Authorization: Bearer t\nX-Forwarded-For: 1.2.3.4\nX_Forwarded_For: 1.2.3.4\nForwarded: for=x\n"
        "Txn-Token: t\nTxn_Token: t\nWorkload-Identity-Token: t\nBaggage: a=b\ntraceparent: 00-x\ntracestate: x\n"
        "X-Countersign-Agent: root\nCountersign_Agent: root\nX-Kept: 1"
    )
    raw = answer(
        b"", "200 OK", "Connection: x-named", "X-Named: 1", "Proxy-Authenticate: Basic", "Alt-Svc: h3", "X-Own: 1"
    )

    async def run() -> None:
        async with rig(says(raw)) as r:
            wire = await r.tunnel()
            _, head, _ = await wire.ask(f"{GET}\n{fields}")
            assert r.upstream.seen[0].fields == [("host", "a.test"), ("x-kept", "1")]
            assert head.split(b"\r\n") == [b"HTTP/1.1 200 OK", b"x-own: 1", b"content-length: 0", b"", b""]
            assert r.gate.calls[0][0].traceparent == "00-x"
            await wire.close()

    asyncio.run(run())


SECRET = Injection(headers=(("authorization", "Bearer s3cr3t-value"),), secrets=(Secret("env:X", "s3cr3t-value"),))


def test_the_secret_goes_up_and_only_up() -> None:
    """The injected header replaces the agent's, and compression is not asked for."""

    async def run() -> None:
        async with rig(gate=FakeGate(injection=SECRET)) as r:
            wire = await r.tunnel()
            await wire.ask(f"{GET}\nAuthorization: Bearer placeholder\nAccept-Encoding: gzip")
            seen = r.upstream.seen[0]
            assert seen.field("authorization") == ["Bearer s3cr3t-value"]
            assert seen.field("accept-encoding") == ["identity"]
            await wire.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"", "200 OK", "X-Echo: s3cr3t-value"),
        answer(b"you sent s3cr3t-value"),
        answer(b"", "200 s3cr3t-value"),
        answer(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"),
    ],
    ids=["header", "body", "reason", "compressed"],
)
def test_a_secret_in_the_answer(raw: bytes) -> None:
    """An answer that holds the secret, or cannot be searched for it, does not reach the agent."""

    async def run() -> None:
        async with rig(says(raw), gate=FakeGate(injection=SECRET)) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            got = await wire.rest()
            await wire.close()
            assert [a.status for a in r.gate.answers] == [0]
            assert got.startswith(b"HTTP/1.1 502 ")
            assert b"s3cr3t" not in got
            assert b"\x1f\x8b" not in got

    asyncio.run(run())


def test_a_secret_in_two_pieces() -> None:
    """A secret that comes in two pieces is found, and its first piece is not passed on either."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"9\r\nok s3cr3t\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"6\r\n-value\r\n0\r\n\r\n")

    async def run() -> None:
        async with rig(handler, gate=FakeGate(injection=SECRET)) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            got = await wire.rest()
            assert b"ok" in got
            assert b"s3cr3t" not in got
            await wire.close()

    asyncio.run(run())


def test_the_agent_leaves_while_its_call_is_held() -> None:
    """A call whose agent has left is cancelled; nothing goes upstream, and nothing is reported as released."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await gate.asked.wait()
            await wire.close()
            async with asyncio.timeout(PATIENCE):
                while r.listener.connections():  # noqa: ASYNC110 - what ends it is on the other side of a socket
                    await asyncio.sleep(0.01)
            assert gate.answers == []
            assert gate.never_sent == []
            assert r.upstream.connections == 0
            assert gate.gone == [gate.calls[0][0].connection]

    asyncio.run(run())


def test_the_agent_leaves_and_the_gate_does_not_notice() -> None:
    """A release that comes although the agent has left is given back as never sent."""

    async def run() -> None:
        gate = FakeGate()
        leave = asyncio.Event()

        async def stubborn(arrived: object, evidence: object) -> object:
            gate.asked.set()
            with contextlib.suppress(asyncio.CancelledError):
                await leave.wait()
            return gate.release(arrived)  # type: ignore[arg-type]

        gate.admit_call = stubborn  # type: ignore[assignment,method-assign]
        async with rig(gate=gate) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await gate.asked.wait()
            await wire.close()
            async with asyncio.timeout(PATIENCE):
                await gate.ended.wait()
            assert len(gate.never_sent) == 1
            assert gate.answers == []
            assert r.upstream.connections == 0

    asyncio.run(run())


def test_the_agent_leaves_in_the_middle_of_an_answer() -> None:
    """The upstream connection is closed, and the call is accounted for once, as incomplete."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"1\r\nx\r\n")
        await writer.drain()
        await seen.reader.read()

    async def run() -> None:
        async with rig(handler) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await wire.head()
            await wire.close()
            async with asyncio.timeout(PATIENCE):
                await r.upstream.closed.wait()
            assert [(a.status, a.error, a.sent) for a in r.gate.answers] == [(0, "client_disconnected", True)]

    asyncio.run(run())


def test_flooding_during_a_hold() -> None:
    """An agent that keeps sending while its call is held is cut off instead of being stored."""

    async def run() -> None:
        gate = FakeGate(wait=asyncio.Event())
        async with rig(gate=gate) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await gate.asked.wait()
            wire.send(b"x" * 200_000)
            await wire.rest()
            await wire.close()
            assert r.upstream.connections == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    "begin", [b"", b"GET / HTTP/1.1\r\nHost: a", b"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\nab"]
)
def test_slow_agents(begin: bytes) -> None:
    """A request that does not arrive in time is answered with 408, however it trickles; an idle client is let go."""

    async def run() -> None:
        async with rig(header_timeout=10, body_timeout=10) as r:
            wire = await r.tunnel()
            wire.send(begin)
            got = await flying(wire.rest())
            assert got.startswith(b"HTTP/1.1 408 ") if begin else got == b""
            await wire.close()
            assert r.upstream.connections == 0

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_slow_handshakes() -> None:
    """A client that starts TLS and stops is let go."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(tls=False)
            wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc")
            await flying(wire.rest())
            await wire.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_an_upstream_that_never_finishes_its_handshake() -> None:
    """TLS with an upstream is bounded in time, and nothing was sent."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with rig(place={"connect": ("127.0.0.1", port)}) as r:
            wire = await r.tunnel()
            status, _, body = await flying(wire.ask(GET))
            assert (status, b"NOT EXECUTED" in body) == (502, True)
            assert len(r.gate.never_sent) == 1
            await wire.close()
        server.close()
        await server.wait_closed()

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_an_upstream_with_another_certificate() -> None:
    """An upstream that cannot prove its name gets nothing, not even under the name that the agent asked for."""

    async def run() -> None:
        async with rig(names=("b.test",), place={"host": "a.test"}) as r:
            wire = await r.tunnel()
            status, _, body = await wire.ask(GET)
            assert (status, b"NOT EXECUTED" in body) == (502, True)
            assert bytes(r.upstream.raw) == b""
            assert "verify failed" in r.gate.never_sent[0][1]
            await wire.close()

    asyncio.run(run())


def test_an_upstream_with_an_unknown_authority() -> None:
    """Without the service's own bundle, a private authority is not trusted."""

    async def run() -> None:
        async with rig(place={"ca_bundle": None}) as r:
            wire = await r.tunnel()
            assert (await wire.ask(GET))[0] == 502
            assert bytes(r.upstream.raw) == b""
            await wire.close()

    asyncio.run(run())


def test_an_upstream_that_is_not_there() -> None:
    """A connection that is refused is told to the agent, and does not spoil the next attempt."""

    async def run() -> None:
        async with rig() as r:
            good = r.gate.place
            wire = await r.tunnel()
            from dataclasses import replace

            assert good is not None
            r.gate.place = replace(good, connect=("127.0.0.1", 1))
            assert (await wire.ask(GET))[0] == 502
            r.gate.place = good
            assert (await wire.ask(GET))[0] == 200
            await wire.close()

    asyncio.run(run())


def test_100_continue_only_after_identity() -> None:
    """In a tunnel, whose identity is known, a client that asks is told to go on; elsewhere it is not."""

    async def run() -> None:
        post = "Host: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        async with rig() as r:
            wire = await r.tunnel()
            wire.send(f"POST / HTTP/1.1\r\n{post}".encode())
            assert (await wire.head()).startswith(b"HTTP/1.1 100 ")
            wire.send(b"hi")
            assert (await wire.answer())[0] == 200
            assert r.upstream.seen[0].field("expect") == []
            await wire.close()
        async with rig(names=()) as r:
            wire = await r.dial()
            wire.send(f"POST http://a.test/ HTTP/1.1\r\n{post}hi".encode())
            assert (await wire.head()).startswith(b"HTTP/1.1 200 ")
            await wire.close()

    asyncio.run(run())


def test_too_many_connections() -> None:
    """A proven agent beyond its share is told so; the others go on."""

    async def run() -> None:
        async with rig(max_connections=1) as r:
            wire = await r.tunnel()
            other = await r.dial()
            other.send(f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{r.credential}\r\n\r\n".encode())
            assert (await other.head()).startswith(b"HTTP/1.1 503 ")
            assert (await wire.ask(GET))[0] == 200
            await wire.close()
            await other.close()

    asyncio.run(run())
