"""What begins inside a tunnel. tests/attacks/test_tunnel_escape.py has what must not."""

import asyncio
import ssl

import pytest

from proxy.errors import Refused
from proxy.listener.tunnel import MAX_HELLO, check_server_name
from tests.fakes.agents import rig


@pytest.mark.parametrize(
    ("sni", "host"),
    [("a.test", "a.test"), ("A.Test", "a.test"), (None, "127.0.0.1"), (None, "::1"), ("127.0.0.1", "127.0.0.1")],
)
def test_the_name_of_the_tunnel(sni: str | None, host: str) -> None:
    """TLS asks for the host of the tunnel; a literal address needs no name."""
    check_server_name(sni, host)


@pytest.mark.parametrize(
    ("sni", "host"), [("b.test", "a.test"), (None, "a.test"), ("", "a.test"), ("a.test", "127.0.0.1")]
)
def test_another_name(sni: str | None, host: str) -> None:
    """Another name, or none where one is needed, is refused."""
    with pytest.raises(Refused):
        check_server_name(sni, host)


def test_a_hello_without_end() -> None:
    """A ClientHello that grows and grows is cut off."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel(tls=False)
            record = b"\x16\x03\x01\x40\x00" + b"\x01\xff\xff\xff" + b"x" * (0x4000 - 4)
            more = b"\x16\x03\x01\x40\x00" + b"x" * 0x4000
            wire.send(record + more * (MAX_HELLO // 0x4000 + 1))
            await wire.rest()
            await wire.close()
            assert r.upstream.connections == 0

    asyncio.run(run())


def test_a_polite_end_can_be_told_from_a_cut() -> None:
    """After a whole answer TLS says goodbye; after a cut it does not."""

    async def run() -> None:
        async with rig() as r:
            wire = await r.tunnel()
            assert (await wire.ask("GET / HTTP/1.1\nHost: a.test\nConnection: close"))[0] == 200
            assert await wire.reader.read() == b""
            await wire.close()
            wire = await r.tunnel()
            r.listener.cut(r.listener.connections()[-1], "test")
            with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
                await wire.reader.readexactly(1)
            await wire.close()

    asyncio.run(run())
