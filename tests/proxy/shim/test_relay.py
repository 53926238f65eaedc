"""The shim between real clients and a real listener: what passes, what is refused, and how it ends."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.shim import relay
from proxy.shim.relay import Means, open_shim
from proxy.shim.sources import CertificateFiles, NoCertificate, TokenFile
from proxy.shim.way import Way
from proxy.stages import Reply
from tests.fakes.agents import Rig, Wire, rig
from tests.fakes.client_certificates import issue
from tests.fakes.gate import ASK_WHO, FakeGate
from tests.fakes.serving import reserved_port
from tests.fakes.tokens import FixedToken
from tests.fakes.upstream import Handler, Seen, answer, hello
from tests.fakes.waiting import PATIENCE

PASSWORD = "the-local-password"
LOCAL = "Proxy-Authorization: Basic " + base64.b64encode(f"bot:{PASSWORD}".encode()).decode()
CONNECT = f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{LOCAL}\r\n\r\n".encode()
GET = "GET / HTTP/1.1\nHost: a.test"


@dataclass
class Shimmed:
    """A shim before a rig. As the rig's credential, clients have the local password."""

    rig: Rig
    port: int

    @property
    def proxy(self) -> str:
        return f"http://bot:{PASSWORD}@127.0.0.1:{self.port}"

    async def dial(self) -> Wire:
        return Wire(*await asyncio.open_connection("127.0.0.1", self.port))

    async def tunnel(self) -> Wire:
        self.rig.credential = LOCAL
        return await self.rig.tunnel_over(await self.dial())


def means(r: Rig, way: str, **more: Any) -> Means:
    """A token, and the way of this name."""
    given: dict[str, Any] = {"token": FixedToken("real.token"), **more}
    if way == "unix":
        return Means(Way(path=str(r.listener.local)), **given)
    if way == "tls":
        assert r.listener.proxy_tls_address is not None
        given = {"certificate": NoCertificate(r.directory / "ca.pem"), **given}
        return Means(Way("localhost", r.listener.proxy_tls_address[1], tls=True), **given)
    return Means(Way(*r.listener.proxy_address), **given)


@contextlib.asynccontextmanager
async def shimmed(
    folder: Path, way: str = "tcp", handler: Handler = hello, *, gate: FakeGate | None = None, **more: Any
) -> AsyncIterator[Shimmed]:
    options: dict[str, Any] = {name: more.pop(name) for name in ("names", "max_body_bytes") if name in more}
    local = folder / "run" / "proxy.sock"
    async with (
        rig(handler, gate=gate, proxy_tls=("127.0.0.1", 0), local=local, **options) as r,
        open_shim(PASSWORD, means(r, way, **more)) as port,
    ):
        yield Shimmed(r, port)


every_way = pytest.mark.parametrize("way", ["tcp", "tls", "unix"])


@every_way
def test_httpx_through_a_tunnel(tmp_path: Path, way: str) -> None:
    """An unmodified client with the local password gets the service's answer; the proxy gets the real credential."""

    async def run() -> None:
        async with (
            shimmed(tmp_path, way) as s,
            httpx.AsyncClient(proxy=s.proxy, verify=s.rig.trust(), timeout=PATIENCE) as client,
        ):
            for _ in range(2):
                assert (await client.get("https://a.test/")).text == "hello"
            evidence = s.rig.gate.tunnels[0][1]
            assert evidence.credentials == (("bearer", "real.token"),)
            assert (evidence.local is not None) == (way == "unix")
            assert len(s.rig.gate.tunnels) == 1

    asyncio.run(run())


@every_way
def test_plain_requests(tmp_path: Path, way: str) -> None:
    """An `http://` request with a body, and the next one, each with the real credential."""

    async def echo(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(seen.body))

    async def run() -> None:
        async with (
            shimmed(tmp_path, way, echo, names=()) as s,
            httpx.AsyncClient(proxy=s.proxy, timeout=PATIENCE) as client,
        ):
            for body in (b"one", b"x" * 500_000):
                assert (await client.post("http://a.test/", content=body)).content == body
            assert [e and e.credentials for _, e in s.rig.gate.calls] == [(("bearer", "real.token"),)] * 2
            assert not [1 for seen in s.rig.upstream.seen if seen.field("proxy-authorization")]

    asyncio.run(run())


def test_a_certificate_is_shown(tmp_path: Path) -> None:
    """The program knows nothing of it; no token goes along."""
    agent = issue()
    chain = agent.file(tmp_path / "agent.pem")

    async def run() -> None:
        source = CertificateFiles(chain, chain, tmp_path / "ca.pem")
        async with shimmed(tmp_path, "tls", token=None, certificate=source) as s:
            (tmp_path / "ca.pem").symlink_to(s.rig.directory / "ca.pem")
            wire = await s.tunnel()
            assert (await wire.ask(GET))[0] == 200
            assert s.rig.gate.tunnels[0][1].certificates == (agent.der,)
            assert s.rig.gate.tunnels[0][1].credentials == ()
            await wire.close()

    asyncio.run(run())


def test_a_fresh_credential_for_each_connection(tmp_path: Path) -> None:
    """What the file holds when a tunnel is opened is what is shown."""
    path = tmp_path / "token"
    path.write_text("first")

    async def run() -> None:
        async with shimmed(tmp_path, token=TokenFile(path)) as s:
            for token in ("first", "second"):
                await asyncio.to_thread(path.write_text, token)
                await (await s.tunnel()).close()
            assert [e.credentials for _, e, *_ in s.rig.gate.tunnels] == [
                (("bearer", "first"),),
                (("bearer", "second"),),
            ]

    asyncio.run(run())


def reason_of(said: bytes) -> tuple[bytes, str]:
    """(status, reason) of a refusal."""
    head, _, body = said.partition(b"\r\n\r\n")
    return head.split(b" ")[1], body.partition(b'"reason": "')[2].partition(b'"')[0].decode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (CONNECT.replace(LOCAL.encode(), b"X: y"), (b"407", "local_password_required")),
        (CONNECT.replace(b"Basic ", b"Basic AA"), (b"407", "local_password_required")),
        (CONNECT.replace(b"Host", LOCAL.encode() + b"\r\nHost"), (b"407", "local_password_required")),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + LOCAL.encode() + b"\r\n\r\n", (b"400", "malformed_request")),
        (b"\x16\x03\x01\r\n\r\n", (b"400", "malformed_request")),
        (b"GET http://a.test/ HTTP/1.1\r\nX: " + b"x" * 70_000, (b"431", "header_too_large")),
    ],
    ids=["no password", "a wrong one", "twice", "no proxy request", "TLS", "too large"],
)
def test_what_is_not_the_program_is_not_served(tmp_path: Path, raw: bytes, expected: tuple[bytes, str]) -> None:
    """Refused in words, and nothing reaches the proxy."""

    async def run() -> None:
        async with shimmed(tmp_path) as s:
            wire = await s.dial()
            wire.send(raw)
            assert reason_of(await wire.rest()) == expected
            await wire.close()
            assert s.rig.gate.tunnels == []
            assert s.rig.listener.connections() == ()

    asyncio.run(run())


def test_a_second_request_on_the_connection_is_not_passed_on(tmp_path: Path) -> None:
    """It could show the proxy a credential of its own: after the first answer the connection ends."""
    one = f"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{LOCAL}\r\n\r\n".encode()
    other = b"GET http://a.test/2 HTTP/1.1\r\nHost: a.test\r\nProxy-Authorization: Bearer stolen\r\n\r\n"

    async def run() -> None:
        async with shimmed(tmp_path, names=()) as s:
            wire = await s.dial()
            wire.send(one + other)
            assert (await wire.rest()).count(b"HTTP/1.1") == 1
            await wire.close()
            assert [e and e.credentials for _, e in s.rig.gate.calls] == [(("bearer", "real.token"),)]

    asyncio.run(run())


def test_a_person_is_told_why_a_tunnel_was_refused(tmp_path: Path) -> None:
    """Once for each reason, whatever the program's client makes of it; the program gets the answer as ever."""
    said: list[str] = []
    detail = "This agent is not in the inventory."
    body = f'{{"reason": "agent_unknown", "detail": "{detail}"}}'.encode()
    gate = FakeGate(tunnel=lambda *_: Reply(403, (("content-type", "application/problem+json"),), body))

    async def ask(port: int) -> bytes:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
        wire.send(CONNECT)
        try:
            return await wire.rest()
        finally:
            await wire.close()

    async def run() -> None:
        async with rig(gate=gate) as r, open_shim(PASSWORD, means(r, "tcp"), said.append) as port:
            for _ in range(2):
                assert (await ask(port)).endswith(body)
            gate.tunnel = lambda *_: ASK_WHO
            for _ in range(2):
                assert reason_of(await ask(port)) == (b"502", "credential_refused")
            await r.listener.stop(0)
            assert reason_of(await ask(port)) == (b"502", "proxy_unreachable")

    asyncio.run(run())
    assert said[0] == f"a.test:443 was refused: {detail} (agent_unknown)"
    assert [one.rpartition("(")[2] for one in said] == ["agent_unknown)", "credential_refused)", "proxy_unreachable)"]


def test_nothing_is_sent_after_a_tunnel_was_refused(tmp_path: Path) -> None:
    """The refusal comes whole, and what the program sends after it goes nowhere."""
    no = Reply(403, (("content-type", "application/problem+json"),), b'{"reason": "agent_unknown"}')

    async def run() -> None:
        async with shimmed(tmp_path, gate=FakeGate(tunnel=lambda *_: no)) as s:
            wire = await s.dial()
            wire.send(CONNECT + CONNECT.replace(LOCAL.encode(), b"Proxy-Authorization: Bearer stolen"))
            assert reason_of(await wire.rest()) == (b"403", "agent_unknown")
            await wire.close()
            assert len(s.rig.gate.tunnels) == 1

    asyncio.run(run())


def test_a_407_of_the_proxy_is_not_the_programs(tmp_path: Path) -> None:
    """The program must not look for another credential: it is told that ours is not accepted."""

    async def run() -> None:
        async with shimmed(tmp_path, gate=FakeGate(tunnel=lambda *_: ASK_WHO)) as s:
            wire = await s.dial()
            wire.send(CONNECT)
            said = await wire.rest()
            assert reason_of(said) == (b"502", "credential_refused")
            assert b"proxy-authenticate" not in said.lower()
            await wire.close()

    asyncio.run(run())


def test_without_a_credential_nothing_is_sent(tmp_path: Path) -> None:
    """502, with the words of the source."""

    async def run() -> None:
        async with shimmed(tmp_path, token=TokenFile(tmp_path / "none")) as s:
            wire = await s.dial()
            wire.send(CONNECT)
            said = await wire.rest()
            assert reason_of(said) == (b"502", "credential_unavailable")
            assert b"no such file" in said
            await wire.close()
            assert s.rig.listener.connections() == ()

    asyncio.run(run())


def test_the_proxy_goes_and_comes_back(tmp_path: Path) -> None:
    """502 while it is away, the service's answer when it is there again, on the same shim."""

    async def run() -> None:
        with reserved_port() as port:
            await come_and_go(port)

    async def come_and_go(port: int) -> None:
        async with open_shim(PASSWORD, Means(Way("127.0.0.1", port), FixedToken("t"))) as at:
            wire = Wire(*await asyncio.open_connection("127.0.0.1", at))
            wire.send(CONNECT)
            assert reason_of(await wire.rest()) == (b"502", "proxy_unreachable")
            await wire.close()
            async with rig(proxy_port=port) as r:
                tunnel = await Shimmed(r, at).tunnel()
                assert (await tunnel.ask(GET))[0] == 200
                await tunnel.close()

    asyncio.run(run())


def test_a_proxy_that_says_nothing_sensible(tmp_path: Path) -> None:
    """502, and not its bytes."""

    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-x\r\n\r\n")
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
        way = Way("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, open_shim(PASSWORD, Means(way, FixedToken("t"))) as at:
            wire = Wire(*await asyncio.open_connection("127.0.0.1", at))
            wire.send(CONNECT)
            assert reason_of(await wire.rest()) == (b"502", "proxy_unreachable")
            await wire.close()

    asyncio.run(run())


@every_way
def test_a_stream_is_passed_on_piece_by_piece(tmp_path: Path, way: str) -> None:
    """Each event comes before the service writes the next."""
    go_on = asyncio.Event()

    async def events(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            writer.write(b"9\r\ndata: x\n\n\r\n")
            await writer.drain()
            await go_on.wait()
            go_on.clear()
        writer.write(b"0\r\n\r\n")
        return True

    async def run() -> None:
        async with shimmed(tmp_path, way, events) as s:
            wire = await s.tunnel()
            wire.send(GET.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            await wire.head()
            for _ in range(3):
                async with asyncio.timeout(PATIENCE):
                    assert await wire.reader.readuntil(b"data: x\n\n\r\n")
                go_on.set()
            assert await wire.reader.readuntil(b"0\r\n\r\n")
            await wire.close()

    asyncio.run(run())


@every_way
def test_a_program_that_leaves_is_noticed(tmp_path: Path, way: str) -> None:
    """Its call at the proxy ends, and so does its connection there."""

    async def silent(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await seen.reader.read()

    async def run() -> None:
        async with shimmed(tmp_path, way, silent, names=()) as s:
            wire = await s.dial()
            wire.send(f"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n{LOCAL}\r\n\r\n".encode())
            await s.rig.gate.asked.wait()
            await wire.close()
            async with asyncio.timeout(PATIENCE):
                await s.rig.gate.ended.wait()
            assert s.rig.gate.answers[0].error == "client_disconnected"

    asyncio.run(run())


def test_a_cut_answer_stays_a_cut_answer(tmp_path: Path) -> None:
    """What the proxy cuts does not come to a polite end here."""

    async def stream(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await writer.drain()
        await seen.reader.read()

    async def run() -> None:
        async with shimmed(tmp_path, handler=stream) as s:
            wire = await s.tunnel()
            wire.send(GET.replace("\n", "\r\n").encode() + b"\r\n\r\n")
            await wire.reader.readuntil(b"1\r\nx\r\n")
            s.rig.gate.cut = "agent_revoked"
            assert not (await wire.rest()).endswith(b"0\r\n\r\n")
            await wire.close()

    asyncio.run(run())


def test_too_many_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than there may be is told so; those before it go on."""
    monkeypatch.setattr(relay, "MOST_CONNECTIONS", 1)

    async def run() -> None:
        async with shimmed(tmp_path) as s:
            first = await s.tunnel()
            second = await s.dial()
            second.send(CONNECT)
            assert reason_of(await second.rest()) == (b"503", "too_many_connections")
            assert (await first.ask(GET))[0] == 200
            await first.close()
            await second.close()

    asyncio.run(run())


def test_who_says_nothing_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, in words."""
    monkeypatch.setattr(relay, "HEAD_SECONDS", 0.05)

    async def run() -> None:
        async with shimmed(tmp_path) as s:
            wire = await s.dial()
            wire.send(b"CONNECT")
            assert reason_of(await wire.rest()) == (b"408", "request_timeout")
            await wire.close()

    asyncio.run(run())


def test_a_fault_of_ours_closes_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing passes, and the log has no word of what was sent."""

    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(relay, "read_asked", broken)

    async def run() -> None:
        async with shimmed(tmp_path) as s:
            wire = await s.dial()
            wire.send(CONNECT)
            assert await wire.rest() == b""
            await wire.close()
            assert s.rig.gate.tunnels == []

    with caplog.at_level(logging.DEBUG):
        asyncio.run(run())
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


def test_it_ends_with_the_program(tmp_path: Path) -> None:
    """When it is left, open tunnels end, and nobody listens any more."""

    async def run() -> None:
        async with rig() as r:
            async with open_shim(PASSWORD, means(r, "tcp")) as port:
                wire = await Shimmed(r, port).tunnel()
            assert await wire.rest() == b""
            await wire.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(run())
