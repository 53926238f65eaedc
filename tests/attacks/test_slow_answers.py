"""Upstreams that take a call and never answer it: each call ends, and nobody claims to know what it did."""

import asyncio
import contextlib
import socket
import ssl
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
