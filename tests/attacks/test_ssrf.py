"""No call leads into our own house, however the address is written, wrapped or resolved."""

import asyncio
import socket
from typing import Any

import pytest

from proxy.listener.addresses import Kind, kind_of
from proxy.stages import Destination
from tests.fakes.agents import rig
from tests.fakes.gate import FakeGate

NEVER_PUBLIC = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "169.254.1.1", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.1", "192.0.2.1", "198.18.0.1",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:808:808::1",
    "2001:0:808:808::1", "2001:db8::1", "fec0::1", "fe80::5efe:7f00:1", "2600::5efe:7f00:1",
    "::ffff:0:127.0.0.1", "100::1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "fe80::1%eth0", "",
    "localhost", "1.2.3.4.5",
]  # fmt: skip


@pytest.mark.parametrize("address", NEVER_PUBLIC)
def test_not_public(address: str) -> None:
    """None of these is an address that a call may reach without its service saying so."""
    assert kind_of(address) is not Kind.PUBLIC


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2001:4860:4860::8888", "64:ff9b::808:808"]
)
def test_public(address: str) -> None:
    """Ordinary addresses of the Internet may be called, through NAT64 as well."""
    assert kind_of(address) is Kind.PUBLIC


def call_with(place: dict[str, Any], *, resolves_to: list[str] | None = None, **options: Any) -> str:
    """The reason why the call was never sent."""

    async def run() -> str:
        gate = FakeGate()
        async with rig(gate=gate, names=(), place=place, **options) as r:
            loop = asyncio.get_running_loop()
            if resolves_to is not None:
                answer = [
                    (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 80))
                    for a in resolves_to
                ]

                async def fake(*_: object, **__: object) -> object:
                    return answer

                loop.getaddrinfo = fake  # type: ignore[assignment,method-assign]  # a name server under our control
            wire = await r.dial()
            status, _, body = await wire.ask("GET http://a.test/ HTTP/1.1\nHost: a.test\nProxy-Authorization: Bearer t")
            await wire.close()
            assert status == 502
            assert b"NOT EXECUTED" in body
            assert r.upstream.connections == 0
            assert gate.answers == []
            return gate.never_sent[0][1]

    return asyncio.run(run())


FORBIDDEN = "the upstream's name leads to an address that may not be called"


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "169.254.169.254", "100.64.1.1", "fe80::1", "::ffff:127.0.0.1"]
)
def test_a_name_that_leads_inside(address: str) -> None:
    """Without the service's word for it, no private address is dialled."""
    assert call_with({"connect": None, "allow_private_addresses": False}, resolves_to=[address]) == FORBIDDEN


def test_one_bad_address_among_good_ones() -> None:
    """Every address of a name is judged, not the first: the next connection might take another."""
    addresses = ["93.184.216.34", "127.0.0.1"]
    assert call_with({"connect": None, "allow_private_addresses": False}, resolves_to=addresses) == FORBIDDEN


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1"])
def test_never_even_with_the_services_word(address: str) -> None:
    """The machine's own credentials, and what is no host at all, cannot be allowed."""
    assert call_with({"connect": (address, 80)}) == FORBIDDEN


def test_a_pinned_address_is_judged_too() -> None:
    """Pinning where to connect to is not permission to go there."""
    place = {"connect": ("127.0.0.1", 1), "allow_private_addresses": False}
    assert call_with(place) == FORBIDDEN


def test_a_name_without_an_address() -> None:
    """A name that leads nowhere is not called."""
    assert call_with({"connect": None}, resolves_to=[]) == "the upstream's name has no address"


def test_ourselves() -> None:
    """No call comes back to the proxy, to the gateway, or to a port that the operator keeps to himself."""

    async def run() -> None:
        gate = FakeGate()
        async with rig(gate=gate, names=(), gateway=True, forbidden_ports=(9,)) as r:
            gateway = r.listener.gateway_address
            assert gateway is not None
            for port in (r.listener.proxy_address[1], gateway[1], 9):
                gate.place = Destination(
                    "http", "a.test", 80, connect=("127.0.0.1", port), allow_private_addresses=True
                )
                wire = await r.dial()
                status, _, _ = await wire.ask("GET http://a.test/ HTTP/1.1\nHost: a.test")
                assert status == 502
                await wire.close()
            assert {reason for _, reason in gate.never_sent} == {"the upstream is this proxy itself"}

    asyncio.run(run())


def test_the_name_is_resolved_once() -> None:
    """What was judged is what is dialled: a name server gets no second chance to answer differently."""

    async def run() -> None:
        gate = FakeGate()
        async with rig(gate=gate, names=(), place={"connect": None}) as r:
            answers = [["127.0.0.1"], ["169.254.169.254"]]
            loop = asyncio.get_running_loop()
            original = loop.getaddrinfo

            async def rebinding(host: str, port: int, **options: Any) -> object:
                if host != "a.test":
                    return await original(host, port, **options)
                address = answers.pop(0)[0]
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

            loop.getaddrinfo = rebinding  # type: ignore[assignment,method-assign]  # a name server under our control
            gate.place = Destination("http", "a.test", r.upstream.port, allow_private_addresses=True)
            wire = await r.dial()
            assert (await wire.ask("GET http://a.test/ HTTP/1.1\nHost: a.test"))[0] == 200
            assert len(answers) == 1
            await wire.close()

    asyncio.run(run())
