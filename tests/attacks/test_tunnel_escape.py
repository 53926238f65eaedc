"""Ways out of a tunnel that are not HTTP requests which we have judged: there are none."""

import asyncio
import ssl

import pytest

from tests.fakes.agents import CREDENTIAL, rig
from tests.fakes.gate import DENIED, FakeGate
from tests.fakes.upstream import says
from tests.fakes.waiting import SwiftLoop, flying


@pytest.mark.parametrize(
    "first",
    [b"SSH-2.0-x\r\n", b"\x00\x01\x02\x03", b"\n", b"\x16", b"\x16\x03", b"G", b"EHLO x\r\n", b"\x80\x2e\x01\x03\x01"],
)
@pytest.mark.parametrize("port", [22, 53, 443, 5353])
def test_other_protocols(first: bytes, port: int) -> None:
    """Bytes that begin neither TLS nor an HTTP request go nowhere, on any port, DNS included."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(port=port, tls=False)
            wire.send(first)
            await flying(wire.rest())
            await wire.close()
            assert r.upstream.connections == 0
            assert r.gate.calls == []

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_dns_in_a_tunnel_is_recorded() -> None:
    """A DNS query through a tunnel to port 53 is closed and recorded."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(port=53, tls=False)
            wire.send(b"\x00\x1d\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x04test\x00\x00\x01\x00\x01")
            assert await wire.rest() == b""
            await wire.close()
            assert [refusal.reason for refusal, _ in r.gate.refusals] == ["tunnel_protocol_refused"]

    asyncio.run(run())


@pytest.mark.parametrize("name", ["b.test", "xn--a-test", "127.0.0.1", "a.test.b.test"])
def test_another_server_name(name: str) -> None:
    """TLS that asks for another name than the tunnel was opened to is closed, and recorded: no domain fronting."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(tls=False)
            context = ssl.create_default_context(cafile=r.ca)
            context.check_hostname = False
            with pytest.raises((ssl.SSLError, OSError)):
                await wire.start_tls(context, name)
            await wire.close()
            await r.listener.stop(1)
            assert [refusal.reason for refusal, _ in r.gate.refusals] == ["sni_mismatch"]
            assert r.upstream.connections == 0

    asyncio.run(run())


def test_a_literal_address_needs_no_server_name() -> None:
    """A tunnel to an address works without a server name, as RFC 6066 has it."""

    async def run() -> None:
        async with rig(names=("127.0.0.9",)) as r:
            wire = await r.tunnel("127.0.0.9")
            assert (await wire.ask("GET / HTTP/1.1\nHost: 127.0.0.9"))[0] == 200
            await wire.close()

    asyncio.run(run())


def test_h2_only_clients() -> None:
    """HTTP/2 is not spoken to agents: it is not negotiated, and its preface is refused."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(tls=False)
            context = ssl.create_default_context(cafile=r.ca)
            context.set_alpn_protocols(["h2"])
            await wire.start_tls(context, "a.test")
            assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert (await wire.rest()).startswith(b"HTTP/1.1 505 ")
            await wire.close()

    asyncio.run(run())


def test_plain_http_in_a_tunnel_is_judged() -> None:
    """Plain HTTP inside a tunnel is a request like any other."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(port=80, tls=False)
            assert (await wire.ask("GET /x HTTP/1.1\nHost: a.test"))[0] == 200
            request = r.gate.calls[0][0].request
            assert (request.scheme, request.host, request.port) == ("http", "a.test", 80)
            await wire.close()

    asyncio.run(run())


UPGRADE = (
    "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n"


def test_101_that_nobody_asked_for() -> None:
    """An upstream that switches protocols unasked gets its connection closed, and nothing after it is relayed."""

    async def run() -> None:
        async with rig(says(SWITCH)) as r:
            wire = await r.tunnel()
            status, _, body = await wire.ask("GET / HTTP/1.1\nHost: a.test")
            assert (status, b"OUTCOME UNKNOWN" in body) == (502, True)
            await r.upstream.closed.wait()
            await wire.close()

    asyncio.run(run())


def test_101_to_something_else() -> None:
    """A 101 to another protocol than the WebSocket that was asked for opens no tunnel."""

    async def run() -> None:
        async with rig(says(SWITCH), place={"allow_websocket": True}) as r:
            wire = await r.tunnel()
            assert (await wire.ask(f"GET / HTTP/1.1\nHost: a.test\n{UPGRADE}"))[0] == 502
            await wire.close()

    asyncio.run(run())


def test_websocket_without_permission() -> None:
    """A service that does not allow WebSocket does not see the request."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            assert (await wire.ask(f"GET / HTTP/1.1\nHost: a.test\n{UPGRADE}"))[0] == 403
            assert r.upstream.connections == 0
            assert [reason for _, reason in r.gate.never_sent] == ["websocket_not_allowed"]
            await wire.close()

    asyncio.run(run())


def test_h2c_upgrade_is_ignored() -> None:
    """An offer to switch to HTTP/2 does not reach the upstream; the request itself does."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            head = (
                "GET / HTTP/1.1\nHost: a.test\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAM"
            )
            assert (await wire.ask(head))[0] == 200
            names = {name for name, _ in r.upstream.seen[0].fields}
            assert not names & {"upgrade", "http2-settings", "connection"}
            await wire.close()

    asyncio.run(run())


def test_a_tunnel_that_is_not_admitted_stays_shut() -> None:
    """Bytes that are sent along with a refused CONNECT are not read as anything."""

    async def run() -> None:
        gate = FakeGate(tunnel=lambda *_: DENIED)
        async with rig(gate=gate) as r:
            wire = await r.dial()
            wire.send(f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{CREDENTIAL}\r\n\r\n\x16\x03\x01".encode())
            answer = await wire.rest()
            assert answer.startswith(b"HTTP/1.1 403 ")
            await wire.close()
            assert r.upstream.connections == 0

    asyncio.run(run())
