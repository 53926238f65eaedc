"""TLS to the proxy itself, with real clients: what they show arrives, and nothing is lost on the way."""

import asyncio
import shutil
import ssl
from pathlib import Path

import httpx
import pytest

from tests.fakes.agents import CREDENTIAL, rig
from tests.fakes.client_certificates import issue
from tests.fakes.h2_agent import h2_over
from tests.fakes.upstream import Seen, answer
from tests.fakes.waiting import PATIENCE

ANY = ("127.0.0.1", 0)
GET = "GET / HTTP/1.1\nHost: a.test"


def test_the_chain_that_was_shown_arrives_as_it_is(tmp_path: Path) -> None:
    """Leaf first, DER, of whatever authority; with what else was presented."""
    root = issue("spiffe://prod.test")
    middle = issue("spiffe://prod.test/ca", root)
    agent = issue(by=middle)
    chain = agent.file(tmp_path / "agent.pem", middle)

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            wire = await r.tunnel_over(await r.dial_tls(chain))
            assert (await wire.ask(GET))[0] == 200
            evidence = r.gate.tunnels[0][1]
            assert evidence.certificates == (agent.der, middle.der)
            assert evidence.credentials == (("basic", "countersign_x"),)
            assert evidence.peer == "127.0.0.1"
            assert evidence.local is None
            assert r.gate.calls[0][1] is None
            await wire.close()

    asyncio.run(run())


def test_nobody_has_to_show_a_certificate() -> None:
    """Without one, the evidence has none; on the plain port there can be none."""

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            for wire in (await r.dial_tls(), await r.dial()):
                tunnel = await r.tunnel_over(wire)
                assert (await tunnel.ask(GET))[0] == 200
                await tunnel.close()
            assert [evidence.certificates for _, evidence, *_ in r.gate.tunnels] == [(), ()]

    asyncio.run(run())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 show the same."""
    agent = issue()
    chain = agent.file(tmp_path / "agent.pem")

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            context = r.trust()
            context.maximum_version = context.minimum_version = version
            wire = await r.tunnel_over(await r.dial_tls(chain, context=context))
            assert (await wire.ask(GET))[0] == 200
            assert r.gate.tunnels[0][1].certificates == (agent.der,)
            await wire.close()

    asyncio.run(run())


def test_requests_without_a_tunnel_and_at_the_gateway(tmp_path: Path) -> None:
    """A plain http:// request through the proxy and one at the gateway bring the certificate, each time anew."""
    agent = issue()
    chain = agent.file(tmp_path / "agent.pem")

    async def run() -> None:
        async with rig(names=(), gateway=True, proxy_tls=ANY, gateway_tls=ANY) as r:
            wire = await r.dial_tls(chain)
            for _ in range(2):
                assert (await wire.ask("GET http://a.test/ HTTP/1.1\nHost: a.test"))[0] == 200
            await wire.close()
            wire = await r.dial_tls(chain, gateway=True)
            assert (await wire.ask("GET /svc/ HTTP/1.1\nHost: g"))[0] == 200
            await wire.close()
            assert [evidence and evidence.certificates for _, evidence in r.gate.calls] == [(agent.der,)] * 3
            assert [arrived.entrance for arrived, _ in r.gate.calls] == ["forward", "forward", "gateway"]

    asyncio.run(run())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_with_a_client_certificate(tmp_path: Path) -> None:
    """curl reaches an https service through an `https://` proxy to which it shows a certificate."""
    agent = issue()
    chain = agent.file(tmp_path / "agent.pem")

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            assert r.listener.proxy_tls_address is not None
            proxy = f"https://localhost:{r.listener.proxy_tls_address[1]}"
            process = await asyncio.create_subprocess_exec(
                *("curl", "-sS", "-x", proxy, "--proxy-cacert", r.ca, "--proxy-cert", str(chain), "--cacert", r.ca),
                "https://a.test/",
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert out == b"hello"
            assert r.gate.tunnels[0][1].certificates == (agent.der,)
            assert r.gate.tunnels[0][1].credentials == ()

    asyncio.run(run())


def test_httpx_with_a_client_certificate(tmp_path: Path) -> None:
    """httpx does the same, given a context for the proxy."""
    agent = issue()
    chain = agent.file(tmp_path / "agent.pem")

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            assert r.listener.proxy_tls_address is not None
            context = r.trust()
            context.load_cert_chain(chain)
            proxy = httpx.Proxy(f"https://localhost:{r.listener.proxy_tls_address[1]}", ssl_context=context)
            async with httpx.AsyncClient(proxy=proxy, verify=r.trust(), timeout=PATIENCE) as client:
                assert (await client.get("https://a.test/")).text == "hello"
            assert r.gate.tunnels[0][1].certificates == (agent.der,)

    asyncio.run(run())


def test_large_bodies_both_ways() -> None:
    """Four megabytes up and four down pass whole."""
    body = bytes(range(256)) * 16384

    async def echo(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(seen.body))

    async def run() -> None:
        async with rig(echo, proxy_tls=ANY, max_body_bytes=len(body)) as r:
            wire = await r.tunnel_over(await r.dial_tls())
            wire.send(f"POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            status, _, back = await wire.answer()
            assert (status, back == body) == (200, True)
            await wire.close()

    asyncio.run(run())


def test_a_reader_that_does_not_keep_up_holds_the_upstream() -> None:
    """What a slow agent does not read is not gathered here."""
    sent = 0

    async def endless(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n")
        try:
            async with asyncio.timeout(1):
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                    sent += 65536
        except TimeoutError:
            return False

    async def run() -> None:
        async with rig(endless, proxy_tls=ANY) as r:
            wire = await r.tunnel_over(await r.dial_tls())
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await r.upstream.closed.wait()
            assert 0 < sent < 32 * 2**20
            wire.writer.transport.abort()

    asyncio.run(run())


def test_a_polite_end_can_be_told_from_a_cut() -> None:
    """After a whole answer the outer TLS says goodbye; after a cut it does not."""

    async def run() -> None:
        async with rig(names=(), proxy_tls=ANY) as r:
            wire = await r.dial_tls()
            assert (await wire.ask(f"GET http://a.test/ HTTP/1.1\nHost: a.test\n{CREDENTIAL}\nConnection: close"))[
                0
            ] == 200
            assert await wire.reader.read() == b""
            await wire.close()
            wire = await r.dial_tls()
            assert (await wire.ask(f"GET http://a.test/ HTTP/1.1\nHost: a.test\n{CREDENTIAL}"))[0] == 200
            r.listener.cut(r.listener.connections()[-1], "test")
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await wire.reader.readexactly(1)
            await wire.close()

    asyncio.run(run())


def test_draining_and_too_many(tmp_path: Path) -> None:
    """A connection in TLS counts like any other, and is let go when we stop."""

    async def run() -> None:
        async with rig(proxy_tls=ANY, max_connections=1) as r:
            first = await r.tunnel_over(await r.dial_tls())
            second = await r.dial_tls()
            second.send(f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{CREDENTIAL}\r\n\r\n".encode())
            assert (await second.head()).startswith(b"HTTP/1.1 503 ")
            await second.close()
            await r.listener.stop(1)
            assert await first.rest() == b""
            await first.close()

    asyncio.run(run())


def test_http2_inside() -> None:
    """What is spoken inside the tunnel makes no difference."""

    async def run() -> None:
        async with rig(http2=True, proxy_tls=ANY) as r:
            wire = await r.tunnel_over(await r.dial_tls(), tls=False)
            async with h2_over(r, wire) as agent:
                assert (await agent.answer(agent.get())).status == 200
                assert bytes(agent.answers[1].body) == b"hello"

    asyncio.run(run())


def test_what_still_comes_after_our_last_word_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A client that sends on, or says goodbye, when all is answered: the answer stays whole, and nothing is logged."""

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            for more in (b"", b"x" * 4096):
                wire = await r.dial_tls()
                wire.send(
                    f"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{CREDENTIAL}\r\nConnection: close\r\n\r\n".encode()
                )
                assert (await wire.answer())[0] == 200
                await asyncio.sleep(0)
                if more:
                    wire.send(more)
                await wire.close()
            wire = await r.dial()
            await wire.close()

    with caplog.at_level("ERROR", "countersign.listener"):
        asyncio.run(run())
    assert caplog.text == ""
