"""Connecting only to addresses that were judged. tests/attacks/test_ssrf.py attacks this with real calls."""

import asyncio
import socket

import pytest

from proxy.listener.dial import DialRefused, dial, judge
from proxy.stages import Destination
from tests.fakes.upstream import upstream

PUBLIC = Destination("https", "a.test", 443)
PRIVATE = Destination("https", "a.test", 443, allow_private_addresses=True)


def test_every_address_is_judged() -> None:
    """One bad address among good ones spoils the name."""
    judge(["93.184.216.34", "2606:4700::1"], 443, PUBLIC, frozenset())
    with pytest.raises(DialRefused):
        judge(["93.184.216.34", "10.0.0.1"], 443, PUBLIC, frozenset())


def test_our_own_ports() -> None:
    """A port of ours is refused on an address of ours, and only there."""
    with pytest.raises(DialRefused, match="itself"):
        judge(["127.0.0.1"], 8080, PRIVATE, frozenset({8080}))
    judge(["127.0.0.1"], 8081, PRIVATE, frozenset({8080}))
    judge(["10.255.255.254"], 8080, PRIVATE, frozenset({8080}))


def test_the_next_address_is_tried() -> None:
    """An address where nobody listens does not end the attempt."""

    async def run() -> None:
        async with upstream() as server:
            loop = asyncio.get_running_loop()

            async def two(*_: object, **__: object) -> object:
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in ("127.0.0.77", "127.0.0.1")]

            loop.getaddrinfo = two  # type: ignore[assignment,method-assign]  # a name with two addresses
            place = Destination("http", "a.test", server.port, allow_private_addresses=True)
            transport, _ = await dial(place, asyncio.Protocol, within=5, own_ports=frozenset())
            assert transport.get_extra_info("peername")[0] == "127.0.0.1"
            transport.abort()

    asyncio.run(run())


def test_a_resolver_that_hangs() -> None:
    """Resolving counts towards the time that connecting may take."""

    async def run() -> None:
        loop = asyncio.get_running_loop()

        async def never(*_: object, **__: object) -> object:
            return await asyncio.Event().wait()

        loop.getaddrinfo = never  # type: ignore[assignment,method-assign]  # a name server that does not answer
        with pytest.raises(DialRefused, match="in time"):
            await dial(PRIVATE, asyncio.Protocol, within=0.05, own_ports=frozenset())

    asyncio.run(run())


def test_a_name_that_does_not_resolve() -> None:
    """A failing resolver is told as such."""

    async def run() -> None:
        async def fails(*_: object, **__: object) -> object:
            raise socket.gaierror(socket.EAI_NONAME, "no")

        asyncio.get_running_loop().getaddrinfo = fails  # type: ignore[assignment,method-assign]  # no such name
        with pytest.raises(DialRefused, match="resolved"):
            await dial(PRIVATE, asyncio.Protocol, within=1, own_ports=frozenset())

    asyncio.run(run())
