"""Attacks on TLS to the proxy itself: another's certificate, none of one's own, a handshake without end."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL

from proxy.listener import outer
from tests.fakes.agents import CREDENTIAL, Rig, rig
from tests.fakes.client_certificates import Issued, issue
from tests.fakes.waiting import PATIENCE, SwiftLoop, flying, until

ANY = ("127.0.0.1", 0)
GET = "GET / HTTP/1.1\nHost: a.test"
CONNECT = f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{CREDENTIAL}\r\n\r\n".encode()


def test_a_certificate_inside_the_tunnel_says_nothing(tmp_path: Path) -> None:
    """Whoever shows agent X outside and agent admin inside stays X: inside no certificate is even asked for."""
    x, admin = issue("spiffe://prod.test/agent/x"), issue("spiffe://prod.test/agent/admin")
    outside, inside = x.file(tmp_path / "x.pem"), admin.file(tmp_path / "admin.pem")

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            wire = await r.tunnel_over(await r.dial_tls(outside), tls=False)
            context = r.trust()
            context.load_cert_chain(inside)
            await wire.start_tls(context, "a.test")
            for _ in range(2):
                field = "Proxy-Authorization: Basic YWRtaW46Y291bnRlcnNpZ25feA=="
                assert (await wire.ask(f"{GET}\n{field}\nX-Client-Cert: admin"))[0] == 200
            assert r.gate.tunnels[0][1].certificates == (x.der,)
            assert [evidence for _, evidence in r.gate.calls] == [None, None]
            assert len(r.gate.tunnels) == 1
            assert not [1 for seen in r.upstream.seen if seen.field("proxy-authorization")]
            await wire.close()

    asyncio.run(run())


def test_a_certificate_inside_a_tunnel_of_the_plain_port_says_nothing(tmp_path: Path) -> None:
    """Where no certificate was shown to the proxy, one that is shown inside is none."""
    inside = issue("spiffe://prod.test/agent/admin").file(tmp_path / "admin.pem")

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            for wire in (await r.dial(), await r.dial_tls()):
                tunnel = await r.tunnel_over(wire, tls=False)
                context = r.trust()
                context.load_cert_chain(inside)
                await tunnel.start_tls(context, "a.test")
                assert (await tunnel.ask(GET))[0] == 200
                await tunnel.close()
            assert [evidence.certificates for _, evidence, *_ in r.gate.tunnels] == [(), ()]

    asyncio.run(run())


def test_the_certificate_of_another_is_worth_nothing_without_its_key(tmp_path: Path) -> None:
    """A handshake signed with another key fails, whatever certificate is shown in it; and it is on record."""
    victim, attacker = issue(), ec.generate_private_key(ec.SECP256R1())
    stolen = tmp_path / "stolen.pem"
    stolen.write_bytes(_key_that_claims(victim, attacker) + victim.certificate.public_bytes(Encoding.PEM))

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = r.trust()
                context.minimum_version = context.maximum_version = version
                context.load_cert_chain(stolen)
                with contextlib.suppress(OSError):
                    wire = await r.dial_tls(context=context)
                    wire.send(CONNECT)
                    assert await wire.rest() == b""
                    await wire.close()
            await until(lambda: len(r.gate.refusals) == 2)
            assert {refusal.reason for refusal, _ in r.gate.refusals} == {"tls_handshake_failed"}
            assert ["bad signature" in refusal.internal for refusal, _ in r.gate.refusals] == [True, True]
            assert r.gate.tunnels == []

    asyncio.run(run())


def _key_that_claims(victim: Issued, attacker: ec.EllipticCurvePrivateKey) -> bytes:
    """A PEM key (RFC 5915) with the attacker's private number and the victim's public point."""
    secret = attacker.private_numbers().private_value.to_bytes(32)
    point = victim.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    inner = b"\x02\x01\x01\x04\x20" + secret + curve + b"\xa1\x44\x03\x42\x00" + point
    return (
        ssl.DER_cert_to_PEM_cert(b"\x30" + bytes([len(inner)]) + inner)
        .replace("CERTIFICATE", "EC PRIVATE KEY")
        .encode()
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_taken_over(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A client that brings back an earlier session has a whole handshake, in which it proves its key anew."""
    chain = issue().file(tmp_path / "agent.pem")

    def connect(
        address: tuple[str, int], context: ssl.SSLContext, session: ssl.SSLSession | None
    ) -> ssl.SSLSession | None:
        with (
            socket.create_connection(address) as sock,
            context.wrap_socket(sock, server_hostname="localhost", session=session) as tls,
        ):
            assert not tls.session_reused
            tls.sendall(CONNECT)
            assert tls.recv(1000).startswith(b"HTTP/1.1 200")  # and with it whatever tickets there are
            return tls.session

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            assert r.listener.proxy_tls_address is not None
            context = r.trust()
            context.minimum_version = context.maximum_version = version
            context.load_cert_chain(chain)
            first = await asyncio.to_thread(connect, r.listener.proxy_tls_address, context, None)
            await asyncio.to_thread(connect, r.listener.proxy_tls_address, context, first)
            assert [len(evidence.certificates) for _, evidence, *_ in r.gate.tunnels] == [1, 1]

    asyncio.run(run())


def test_nothing_is_renegotiated() -> None:
    """In TLS 1.2 a client that wants to prove to be somebody else on the same connection is turned down."""

    def attempt(address: tuple[str, int]) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        with socket.create_connection(address) as sock:
            sock.settimeout(PATIENCE)
            tls = SSL.Connection(context, sock)
            sock.setblocking(True)
            tls.set_connect_state()
            tls.do_handshake()
            assert not _renegotiates(tls)

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            assert r.listener.proxy_tls_address is not None
            await asyncio.to_thread(attempt, r.listener.proxy_tls_address)

    asyncio.run(run())


def _renegotiates(tls: SSL.Connection) -> bool:
    try:
        tls.renegotiate()
        tls.do_handshake()
        tls.sendall(CONNECT)
        tls.recv(1000)
    except SSL.Error:
        return False
    return True


def test_too_old_a_version_is_turned_down() -> None:
    """TLS 1.1 gets no connection."""

    def attempt(address: tuple[str, int]) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_VERSION)
        context.set_max_proto_version(SSL.TLS1_1_VERSION)
        with socket.create_connection(address) as sock:
            tls = SSL.Connection(context, sock)
            tls.set_connect_state()
            with pytest.raises(SSL.Error):
                tls.do_handshake()

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            assert r.listener.proxy_tls_address is not None
            await asyncio.to_thread(attempt, r.listener.proxy_tls_address)
            assert r.gate.tunnels == []

    asyncio.run(run())


@pytest.mark.parametrize(("links", "padding"), [(9, 0), (3, 40_000), (30, 8000)])
def test_a_huge_chain(tmp_path: Path, links: int, padding: int) -> None:
    """More certificates, or more bytes of them, than anybody needs: no connection, and it is on record."""
    chain = [issue("spiffe://prod.test", padding=padding)]
    while len(chain) < links:
        chain.insert(0, issue(f"spiffe://prod.test/{len(chain)}", chain[0], padding=padding))
    file = chain[0].file(tmp_path / "chain.pem", *chain[1:])

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            with contextlib.suppress(OSError):
                wire = await r.dial_tls(file)
                wire.send(CONNECT)
                assert await wire.rest() == b""
                await wire.close()
            await until(lambda: bool(r.gate.refusals))
            assert r.gate.refusals[0][0].reason in {"client_certificate_too_large", "tls_handshake_failed"}
            assert r.gate.tunnels == []
            await until(lambda: not r.listener.connections())

    asyncio.run(run())


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"\x01\x00\xff\xff" + b"x" * 70_000,
        b"\x16" + b"\x00" * 300_000,
        b"\x16\x03\x01\x00\x04\x01\x00\x00\x00" + b"\x17\x03\x03\x00\x01x",
    ],
    ids=["no hello", "a hello without end", "zeroes", "data before a handshake"],
)
def test_garbage_ends_the_connection(garbage: bytes) -> None:
    """What only begins like TLS is turned down, and others are served."""

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            wire = await _raw(r)
            wire[1].write(garbage)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await flying(wire[0].read())
            wire[1].close()
            tunnel = await r.tunnel_over(await r.dial_tls())
            assert (await tunnel.ask(GET))[0] == 200
            await tunnel.close()

    asyncio.run(run(), loop_factory=SwiftLoop)


async def _raw(r: Rig) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert r.listener.proxy_tls_address is not None
    return await asyncio.open_connection(*r.listener.proxy_tls_address)


def test_http_to_the_port_of_tls_is_told_so() -> None:
    """An `http://` URL for the TLS port: a refusal in plain words, on record, and nothing of the request is done."""

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            reader, writer = await _raw(r)
            writer.write(CONNECT)
            said = await reader.read()
            assert said.startswith(b"HTTP/1.1 400 ")
            assert b'"reason": "tls_required"' in said
            writer.close()
            await until(lambda: bool(r.gate.refusals))
            assert r.gate.refusals[0][0].reason == "tls_required"
            assert r.gate.tunnels == []

    asyncio.run(run())


def test_tls_to_the_plain_port_is_turned_down() -> None:
    """An `https://` URL for the plain port: the client learns that no TLS is spoken here."""

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            with pytest.raises(ssl.SSLError):
                await asyncio.open_connection(*r.listener.proxy_address, ssl=r.trust(), server_hostname="localhost")
            assert r.gate.tunnels == []

    asyncio.run(run())


def test_handshakes_that_never_end_do_not_keep_others_out() -> None:
    """Two hundred that say nothing, or half a hello: they are ended in time, and calls pass meanwhile."""

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            idle = [await _raw(r) for _ in range(200)]
            for _, writer in idle[::2]:
                writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            tunnel = await r.tunnel_over(await r.dial_tls())
            assert (await tunnel.ask(GET))[0] == 200
            await tunnel.close()
            for reader, writer in idle:
                with contextlib.suppress(ConnectionError):
                    assert b"HTTP" not in await flying(reader.read())
                writer.close()
            await until(lambda: not r.listener.connections())

    asyncio.run(run(), loop_factory=SwiftLoop)


def test_a_failure_of_ours_lets_nothing_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the chain cannot be read after the handshake, there is no connection."""

    def broken(_: object) -> tuple[bytes, ...]:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(outer, "chain_of", broken)

    async def run() -> None:
        async with rig(proxy_tls=ANY) as r:
            with contextlib.suppress(OSError):
                wire = await r.dial_tls()
                wire.send(CONNECT)
                assert await wire.rest() == b""
                await wire.close()
            assert r.gate.tunnels == []

    asyncio.run(run())
