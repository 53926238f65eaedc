"""The listener with real sockets: real clients, real TLS, real upstreams; only the gate is a fake."""

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path

import httpx
import pytest
import requests
import websockets

from proxy.errors import CountersignError
from proxy.listener import profile
from proxy.listener.listener import Listener
from proxy.listener.options import ListenerOptions
from proxy.stages import Arrived, Destination, Released, Reply
from tests.fakes.agents import Rig, rig
from tests.fakes.gate import FakeGate
from tests.fakes.upstream import Seen
from tests.fakes.waiting import PATIENCE


def test_httpx_through_connect() -> None:
    """An unmodified httpx client gets an upstream's answer through a tunnel that we look into."""

    async def run() -> None:
        async with rig() as r, httpx.AsyncClient(proxy=r.proxy, verify=r.trust(), timeout=PATIENCE) as client:
            answer = await client.post("https://a.test/v1/things?x=1", json={"a": 1})
            assert (answer.status_code, answer.text) == (200, "hello")
            arrived, evidence = r.gate.calls[0]
            assert evidence is None
            assert arrived.entrance == "connect"
            assert arrived.request.authority == "a.test"
            assert (arrived.request.path, arrived.request.query) == ("/v1/things", "x=1")
            assert arrived.request.body == b'{"a":1}'
            assert r.gate.tunnels[0][1].credentials == (("basic", "countersign_x"),)
            assert r.upstream.seen[0].first_line == "POST /v1/things?x=1 HTTP/1.1"
            assert r.upstream.seen[0].field("host") == ["a.test"]
            assert r.upstream.seen[0].body == b'{"a":1}'
        assert [(a.status, a.response_bytes, a.sent) for a in r.gate.answers] == [(200, 5, True)]
        assert r.gate.gone == [arrived.connection]

    asyncio.run(run())


def test_requests_through_connect() -> None:
    """The same for requests, which speaks HTTP/1.0 to the proxy."""

    async def run() -> None:
        async with rig() as r:

            def ask() -> str:
                with requests.Session() as session:
                    return session.get("https://a.test/", proxies={"https": r.proxy}, verify=r.ca).text

            assert await asyncio.to_thread(ask) == "hello"

    asyncio.run(run())


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_sends_a_large_body() -> None:
    """curl, which waits for 100 Continue before a large body, gets its answer through the tunnel."""

    async def run() -> None:
        async with rig(max_body_bytes=4 * 2**20) as r:
            data = r.directory / "data"
            await asyncio.to_thread(data.write_bytes, b"x" * 2 * 2**20)
            process = await asyncio.create_subprocess_exec(
                *("curl", "-sS", "-x", r.proxy, "--cacert", r.ca, "--data-binary", f"@{data}", "https://a.test/"),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert out == b"hello"
            assert len(r.upstream.seen[0].body) == 2 * 2**20

    asyncio.run(run())


def test_curl_authenticates_after_a_407() -> None:
    """curl that is told to find out what the proxy wants reads our two challenges and tries again."""
    from tests.fakes.gate import ASK_WHO

    async def run() -> None:
        gate = FakeGate(tunnel=lambda evidence, *_: None if evidence.credentials else ASK_WHO)
        async with rig(gate=gate) as r:
            process = await asyncio.create_subprocess_exec(
                *("curl", "-sS", "--proxy-anyauth", "-x", r.proxy, "--cacert", r.ca, "https://a.test/"),
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await process.communicate()
            assert out == b"hello"
            assert [bool(evidence.credentials) for _, evidence, *_ in gate.tunnels] == [False, True]

    asyncio.run(run())


def test_plain_forward_request() -> None:
    """An http:// request through the proxy brings its own evidence, which does not go upstream."""

    async def run() -> None:
        async with rig(names=()) as r, httpx.AsyncClient(proxy=r.proxy, timeout=PATIENCE) as client:
            assert (await client.get("http://a.test/x?y=1")).text == "hello"
            arrived, evidence = r.gate.calls[0]
            assert evidence is not None
            assert evidence.credentials == (("basic", "countersign_x"),)
            assert (arrived.entrance, arrived.request.scheme, arrived.request.port) == ("forward", "http", 80)
            assert r.upstream.seen[0].first_line == "GET /x?y=1 HTTP/1.1"
            assert r.upstream.seen[0].field("proxy-authorization") == []

    asyncio.run(run())


def test_a_plain_request_may_leave_over_tls() -> None:
    """The gate decides where a call goes: a plain request may be sent to an https service."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.dial()
            head = "GET http://old.test/ HTTP/1.1\nHost: old.test\nProxy-Authorization: Bearer t"
            assert (await wire.ask(head))[0] == 200
            assert r.upstream.seen[0].field("host") == ["a.test"]
            await wire.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("field", "credential"),
    [
        ("Authorization: Bearer tok", ("bearer", "tok")),
        ("Authorization: Basic Ym90OmNvdW50ZXJzaWduX3g=", ("basic", "countersign_x")),
        ("X-Api-Key: countersign_x", ("bearer", "countersign_x")),
        ("Proxy-Authorization: Bearer tok", ("bearer", "tok")),
    ],
)
def test_gateway(field: str, credential: tuple[str, str]) -> None:
    """At the gateway the first segment names the service, and the agent's credential stays with us."""

    async def run() -> None:
        async with rig(gateway=True) as r:
            wire = await r.dial(gateway=True)
            assert (
                await wire.ask(
                    f"POST /files/v1/list?x=1 HTTP/1.1\nHost: 127.0.0.1:1\nContent-Length: 2\n{field}", b"{}"
                )
            )[0] == 200
            arrived, evidence = r.gate.calls[0]
            assert evidence is not None
            assert evidence.credentials == (credential,)
            assert (arrived.entrance, arrived.service_hint) == ("gateway", "files")
            assert (arrived.request.host, arrived.request.path, arrived.request.query) == (
                "gateway.invalid",
                "/v1/list",
                "x=1",
            )
            assert not {"authorization", "x-api-key", "proxy-authorization"} & {n for n, _ in arrived.request.headers}
            assert r.upstream.seen[0].field("host") == ["a.test"]
            await wire.close()

    asyncio.run(run())


def test_gateway_service_alone() -> None:
    """The bare name of a service is its root."""

    async def run() -> None:
        async with rig(gateway=True) as r:
            wire = await r.dial(gateway=True)
            assert (await wire.ask("GET /files HTTP/1.1\nHost: g.test"))[0] == 200
            assert r.gate.calls[0][0].request.path == "/"
            await wire.close()

    asyncio.run(run())


def test_upstream_connections_are_not_shared_between_destinations() -> None:
    """A connection that was opened for one destination is not used for another, though host and port are the same."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            get = "GET / HTTP/1.1\nHost: a.test"
            assert (await wire.ask(get))[0] == 200
            place = r.gate.place
            assert place is not None
            r.gate.place = Destination(
                place.scheme,
                place.host,
                place.port,
                place.connect,
                place.ca_bundle,
                allow_private_addresses=True,
                allow_websocket=True,
            )
            assert (await wire.ask(get))[0] == 200
            assert r.upstream.connections == 2
            await wire.close()

    asyncio.run(run())


async def echo(socket: websockets.ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


@contextlib.asynccontextmanager
async def websocket_rig(**options: object):  # type: ignore[no-untyped-def]
    """A WebSocket echo server behind the listener."""
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        place = {"connect": ("127.0.0.1", port), "allow_websocket": True}
        async with rig(names=(), place=place, **options) as r:  # type: ignore[arg-type]
            yield r


def open_websocket(r: Rig) -> "websockets.connect":
    return websockets.connect("ws://a.test/chat", proxy=r.proxy, open_timeout=PATIENCE)


def test_websocket_messages() -> None:
    """Messages go both ways, text and binary, large and small, and the end is accounted for."""

    async def run() -> None:
        async with websocket_rig() as r:
            async with open_websocket(r) as client:
                for message in ("hi", b"\x00\x01", "x" * 100_000):
                    await client.send(message)
                    assert await client.recv() == message
            await r.gate.ended.wait()
            assert [(a.status, a.response_bytes) for a in r.gate.answers] == [(101, 100_004)]

    asyncio.run(run())


def test_websocket_messages_are_bounded() -> None:
    """A message that is too large cuts the connection instead of being stored."""

    async def run() -> None:
        async with websocket_rig(max_websocket_message_bytes=1000) as r, open_websocket(r) as client:
            await client.send("x" * 1001)
            with pytest.raises(websockets.ConnectionClosed):
                await client.recv()
            assert r.gate.answers[0].error == "websocket_message_too_large"

    asyncio.run(run())


def test_websocket_is_cut_when_access_ends() -> None:
    """No message passes after access has ended, and an idle connection is cut as well."""

    async def run() -> None:
        async with websocket_rig() as r, open_websocket(r) as client:
            await client.send("hi")
            await client.recv()
            r.gate.cut = "agent_revoked"
            with pytest.raises(websockets.ConnectionClosed):
                async with asyncio.timeout(PATIENCE):
                    await client.recv()
            assert [(a.status, a.error) for a in r.gate.answers] == [(0, "agent_revoked")]

    asyncio.run(run())


def test_stopping_lets_requests_end() -> None:
    """A request that is under way is answered, and told that the connection ends; idle connections are closed."""

    async def run() -> None:
        go_on = asyncio.Event()
        begun = asyncio.Event()

        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            begun.set()
            await go_on.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")

        async with rig(handler) as r:
            idle, busy = await r.tunnel(), await r.tunnel()
            busy.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await begun.wait()
            stopping = asyncio.create_task(r.listener.stop(5))
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                await r.dial()
            go_on.set()
            status, head, body = await busy.answer()
            assert (status, body) == (200, b"done")
            assert b"connection: close" in head
            await busy.close()
            await idle.close()
            async with asyncio.timeout(PATIENCE):
                await stopping

    asyncio.run(run())


def test_stopping_does_not_wait_for_ever() -> None:
    """What has not ended in time is cut, and accounted for."""

    async def run() -> None:
        gate = FakeGate()
        never = asyncio.Event()

        async def handler(seen: Seen, writer: asyncio.StreamWriter) -> None:
            await never.wait()

        async with rig(handler, gate=gate) as r:
            wire = await r.tunnel()
            wire.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            async with asyncio.timeout(PATIENCE):
                while not r.upstream.seen:  # noqa: ASYNC110 - what ends it is on the other side of a socket
                    await asyncio.sleep(0.01)
            await r.listener.stop(0.05)
            assert [(a.status, a.error) for a in gate.answers] == [(0, "shutting_down")]
            await wire.close()
            never.set()

    asyncio.run(run())


def test_a_held_call_does_not_hold_others() -> None:
    """While one call waits for people, other connections go on."""

    async def run() -> None:
        wait = asyncio.Event()
        gate = FakeGate()

        async def admit(arrived: Arrived, evidence: object) -> Released | Reply:
            if arrived.request.path == "/held":
                gate.asked.set()
                await wait.wait()
            return gate.release(arrived)

        gate.admit_call = admit  # type: ignore[method-assign]
        async with rig(gate=gate) as r:
            held, free = await r.tunnel(), await r.tunnel()
            held.send(b"GET /held HTTP/1.1\r\nHost: a.test\r\n\r\n")
            await gate.asked.wait()
            assert (await free.ask("GET /free HTTP/1.1\nHost: a.test"))[0] == 200
            assert [seen.first_line for seen in r.upstream.seen] == ["GET /free HTTP/1.1"]
            wait.set()
            assert (await held.answer())[0] == 200
            await held.close()
            await free.close()

    asyncio.run(run())


def test_an_unknown_mitmproxy_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A version that we have not tested is not run: its internals are part of our safety."""
    monkeypatch.setattr(profile, "VERSION", "12.3.0")
    with pytest.raises(CountersignError, match=r"12\.3\.0"):
        asyncio.run(Listener(FakeGate(), ListenerOptions(ca_directory=tmp_path)).start())


def test_two_listeners_share_a_port(tmp_path: Path) -> None:
    """Several gates may listen on one port, if told so; otherwise the second one does not start."""

    async def run() -> None:
        first = Listener(FakeGate(), ListenerOptions(ca_directory=tmp_path, reuse_port=True))
        await first.start()
        port = first.proxy_address[1]
        second = Listener(FakeGate(), ListenerOptions(ca_directory=tmp_path, proxy_port=port, reuse_port=True))
        await second.start()
        third = Listener(FakeGate(), ListenerOptions(ca_directory=tmp_path, proxy_port=port))
        with pytest.raises(OSError, match="in use"):
            await third.start()
        await second.stop(0)
        await first.stop(0)

    asyncio.run(run())


def test_a_failed_gateway_port_leaves_nothing_behind(tmp_path: Path) -> None:
    """When one port cannot be had, the other is given back."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listener = Listener(FakeGate(), ListenerOptions(ca_directory=tmp_path, gateway_port=taken.getsockname()[1]))
            with pytest.raises(OSError, match="in use"):
                await listener.start()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*listener.proxy_address)

    asyncio.run(run())
    assert not list(tmp_path.glob(".*"))
