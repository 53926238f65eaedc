"""Upstreams that take a call and never answer it: each call ends, and nobody claims to know what it did."""

import asyncio
import base64
import contextlib
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest

from tests.fakes.agents import rig
from tests.fakes.h2_agent import h2_agent
from tests.fakes.upstream import Handler, Seen, answer, authority
from tests.fakes.waiting import PATIENCE, SwiftLoop, flying

GET = "GET /slow HTTP/1.1\nHost: a.test"
QUICK = {"answer_timeout": 10.0}


def never(begin: bytes) -> Handler:
    """Says this, and then nothing more; but answers what is not `/slow`."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if not seen.first_line.startswith("GET /slow"):
            writer.write(answer())
            return
        writer.write(begin)
        await writer.drain()
        await seen.reader.read()

    return handler


BEGINNINGS = {
    "nothing": b"",
    "a part of a head": b"HTTP/1.1 200 OK\r\nContent-",
    "interim answers": b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
}


@pytest.mark.parametrize("begin", BEGINNINGS.values(), ids=BEGINNINGS.keys())
@pytest.mark.parametrize("names", [("a.test",), ()], ids=["TLS", "plain"])
def test_an_answer_that_does_not_begin(begin: bytes, names: tuple[str, ...]) -> None:
    """504 that does not claim to know the outcome, recorded as such; the upstream is left, the agent may go on."""

    async def run() -> None:
        async with rig(never(begin), names=names, gateway=not names, **QUICK) as r:
            wire = await r.tunnel() if names else await r.dial(gateway=True)
            ask = GET if names else "GET /svc/slow HTTP/1.1\nHost: g"
            status, _, body = await flying(wire.ask(ask))
            assert (status, b"OUTCOME UNKNOWN" in body, b"upstream_timeout" in body) == (504, True, True)
            assert [(a.status, a.sent, a.error) for a in r.gate.answers] == [(0, True, "upstream_timeout")]
            assert (await wire.ask(ask.replace("/slow", "/quick")))[0] == 200
            assert r.upstream.connections == 2
            await wire.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_a_connection_that_is_used_again_is_no_less_bounded() -> None:
    """The time counts from each request, not from the opening of the connection."""

    async def run() -> None:
        async with rig(never(b""), **QUICK) as r:
            wire = await r.tunnel()
            assert (await wire.ask("GET /quick HTTP/1.1\nHost: a.test"))[0] == 200
            assert (await flying(wire.ask(GET)))[0] == 504
            assert r.upstream.connections == 1
            await wire.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_on_http2_only_the_one_stream_ends() -> None:
    """One call gets its 504, while another on the same connection is answered."""

    async def run() -> None:
        async with rig(never(b""), http2=True, **QUICK) as r, h2_agent(r) as agent:
            slow = agent.get("/slow")
            assert (await agent.answer(agent.get("/quick"))).status == 200
            late = await flying(agent.answer(slow))
            assert (late.status, b"OUTCOME UNKNOWN" in late.body) == (504, True)
            assert (await agent.answer(agent.get("/quick"))).status == 200

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_a_service_may_have_its_own_time() -> None:
    """Longer than any other's, or shorter: what the inventory says of it counts."""

    async def run() -> None:
        async with rig(never(b""), place={"answer_within": 10}) as r:
            wire = await r.tunnel()
            assert (await flying(wire.ask(GET)))[0] == 504
            await wire.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


@contextlib.contextmanager
def strict_server() -> Iterator[int]:
    """An upstream that wants a client certificate, and says so with the alert of TLS 1.3: after our handshake."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    authority().issue_cert("a.test").configure_cert(context)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listening.accept()[0] as one, contextlib.suppress(OSError):
                    context.wrap_socket(one, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("http2", [False, True])
def test_an_upstream_that_ends_tls_with_an_alert_leaves_nobody_waiting(http2: bool) -> None:
    """The call ends at once, and not when the agent has had enough: no deadline would end it."""

    async def run(port: int) -> None:
        async with rig(http2=http2, place={"connect": ("127.0.0.1", port)}) as r, asyncio.timeout(PATIENCE):
            if http2:
                async with h2_agent(r) as agent:
                    status = (await agent.answer(agent.get("/"))).status
            else:
                wire = await r.tunnel()
                status = (await wire.ask(GET))[0]
                await wire.close()
            assert status == 502
            assert [(a.status, a.sent, a.error) for a in r.gate.answers] == [
                (0, True, "the upstream closed the connection without an answer")
            ]

    with strict_server() as port:
        asyncio.run(run(port))


BEGUN = {
    "of a known length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "in chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\n\r\nhalf",
    "a head alone": b"HTTP/1.1 200 OK\r\n\r\n",
}
SHORT = {"silence_timeout": 0.2, "sweep_interval": 0.02}


@pytest.mark.parametrize("begin", BEGUN.values(), ids=BEGUN.keys())
@pytest.mark.parametrize("names", [("a.test",), ()], ids=["TLS", "plain"])
def test_an_answer_that_does_not_get_on(begin: bytes, names: tuple[str, ...]) -> None:
    """It is cut: the agent can tell that it is not whole, nobody claims to know the outcome, and nothing is held."""

    async def run() -> None:
        async with rig(never(begin), names=names, gateway=not names, **SHORT) as r:
            wire = await r.tunnel() if names else await r.dial(gateway=True)
            ask = GET if names else "GET /svc/slow HTTP/1.1\nHost: g"
            wire.send(ask.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            got = await wire.rest()
            assert b"200 OK" not in got or b"transfer-encoding: chunked" in got or b"content-length: 10" in got
            assert not got.endswith(b"0\r\n\r\n")
            assert [(a.status, a.sent, a.error) for a in r.gate.answers] == [(0, True, "answer_stalled")]
            await r.upstream.closed.wait()
            await wire.close()

    asyncio.run(run())


def test_an_old_client_does_not_take_half_an_answer_for_all_of_it() -> None:
    """In HTTP/1.0 the end of the connection ends an answer, so one that is cut ends with a reset."""

    async def run() -> None:
        async with rig(never(b"HTTP/1.1 200 OK\r\n\r\nhalf"), names=(), gateway=True, **SHORT) as r:
            wire = await r.dial(gateway=True)
            wire.send(b"GET /svc/slow HTTP/1.0\r\nHost: g\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await wire.reader.read()
            await wire.close()

    asyncio.run(run())


def test_on_http2_only_the_one_answer_is_cut() -> None:
    """A reset of its stream, while the connection goes on."""

    async def run() -> None:
        async with rig(never(BEGUN["until the end"]), http2=True, **SHORT) as r, h2_agent(r) as agent:
            cut = await agent.answer(agent.get("/slow"))
            assert cut.reset is not None
            assert (await agent.answer(agent.get("/quick"))).status == 200
            assert ("answer_stalled", True) in [(a.error, a.sent) for a in r.gate.answers]

    asyncio.run(run())


UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def agreed(key: bytes) -> bytes:
    """The answer that agrees to WebSocket (RFC 6455 section 4.2.2)."""
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def switch(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Agrees to WebSocket, and is silent from then on."""
    writer.write(agreed(seen.field("sec-websocket-key")[0].encode()))
    await writer.drain()
    await seen.reader.read()


def test_a_websocket_on_which_nothing_passes() -> None:
    """It is cut as an answer is, and not told as one that ended well."""

    async def run() -> None:
        async with rig(switch, place={"allow_websocket": True}, **SHORT) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n" + UPGRADE)
            await wire.rest()
            assert [(a.status, a.error) for a in r.gate.answers] == [(0, "answer_stalled")]
            await wire.close()

    asyncio.run(run())


def test_an_agent_that_takes_nothing_does_not_hold_its_answer_for_ever() -> None:
    """What it does not read stays with the upstream, and after a while that is too long, too."""

    async def endless(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError, ssl.SSLError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

    async def run() -> None:
        async with rig(endless, names=(), gateway=True, **SHORT) as r:
            wire = await r.dial(gateway=True)
            wire.send(b"GET /svc/slow HTTP/1.1\r\nHost: g\r\n\r\n")
            async with asyncio.timeout(60):
                await r.gate.ended.wait()
            assert [(a.status, a.error) for a in r.gate.answers] == [(0, "answer_stalled")]
            await wire.close()

    asyncio.run(run())


@pytest.mark.parametrize("names", [("a.test",), ()], ids=["TLS", "plain"])
def test_an_answer_that_breaks_off_is_not_taken_for_one_that_ends(names: tuple[str, ...]) -> None:
    """An upstream that dies in the middle of an answer without a length resets its connection; that is no end."""
    passed = asyncio.Event()

    async def dying(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(BEGUN["until the end"])
        await writer.drain()
        await passed.wait()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    async def run() -> None:
        async with rig(dying, names=names, gateway=not names) as r:
            wire = await r.tunnel() if names else await r.dial(gateway=True)
            ask = GET if names else "GET /svc/slow HTTP/1.1\nHost: g"
            wire.send(ask.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            assert b" 200 OK" in await wire.head()
            assert await wire.reader.readuntil(b"half\r\n")
            passed.set()
            assert not (await wire.rest()).endswith(b"0\r\n\r\n")
            await r.gate.ended.wait()
            assert [(a.status, "in the middle" in a.error) for a in r.gate.answers] == [(0, True)]
            await wire.close()

    asyncio.run(run())


def test_a_websocket_that_ends_in_order_is_not_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent reads the words of its end, and then that nothing follows."""
    resets: list[object] = []
    monkeypatch.setattr("proxy.listener.connection.reset", resets.append)
    end = b"\x88\x02\x03\xe8"

    async def ending(seen: Seen, writer: asyncio.StreamWriter) -> None:
        key = seen.field("sec-websocket-key")[0].encode()
        writer.write(agreed(key) + end)
        await writer.drain()
        await seen.reader.read()

    async def run() -> None:
        async with rig(ending, names=(), gateway=True, place={"allow_websocket": True}) as r:
            wire = await r.dial(gateway=True)
            wire.send(b"GET /svc/ws HTTP/1.1\r\nHost: g\r\n" + UPGRADE)
            assert b" 101 " in await wire.head()
            async with asyncio.timeout(60):
                assert await wire.reader.read() == end
            assert [(a.status, a.error) for a in r.gate.answers] == [(101, "")]
            await r.upstream.closed.wait()  # by now we know that it is gone, too
            assert resets == []
            await wire.close()

    asyncio.run(run())
