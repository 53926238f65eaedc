"""Opens a connection for a released call: resolves once, judges every address, and dials one that was judged."""

import asyncio
import errno
import socket
from collections.abc import Callable

from proxy.listener.addresses import Kind, kind_of
from proxy.stages import Destination


class DialRefused(Exception):
    """This destination must not be connected to, or cannot be. Text is for the record and the agent."""


async def dial[P: asyncio.Protocol](
    destination: Destination, protocol: Callable[[], P], *, within: float, own_ports: frozenset[int]
) -> tuple[asyncio.Transport, P]:
    """A connection to the destination; raises DialRefused. Nothing is sent to an address that was not judged."""
    host, port = destination.connect or (destination.host, destination.port)
    try:
        async with asyncio.timeout(within):
            addresses = await _resolve(host, port)
            judge(addresses, port, destination, own_ports)
            return await _connect(addresses, port, protocol, within / len(addresses))
    except TimeoutError:
        raise DialRefused("the upstream did not answer in time") from None


async def _resolve(host: str, port: int) -> list[str]:
    if kind_of(host) is not Kind.NEVER:
        return [host]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        raise DialRefused("the upstream's name cannot be resolved") from None
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def judge(addresses: list[str], port: int, destination: Destination, own_ports: frozenset[int]) -> None:
    """Raises DialRefused unless every one of these addresses may be called for this destination."""
    if not addresses:
        raise DialRefused("the upstream's name has no address")
    for address in addresses:
        kind = kind_of(address)
        if kind is Kind.NEVER or (kind is Kind.PRIVATE and not destination.allow_private_addresses):
            raise DialRefused("the upstream's name leads to an address that may not be called")
        if port in own_ports and _is_ours(address):
            raise DialRefused("the upstream is this proxy itself")


def _is_ours(address: str) -> bool:
    """Whether this machine owns the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            return error.errno != errno.EADDRNOTAVAIL
    return True


async def _connect[P: asyncio.Protocol](
    addresses: list[str], port: int, protocol: Callable[[], P], each: float
) -> tuple[asyncio.Transport, P]:
    """One address after the other, so that one that swallows packets does not use up the time of all."""
    loop = asyncio.get_running_loop()
    for address in addresses:
        try:
            async with asyncio.timeout(each):
                return await loop.create_connection(protocol, address, port, flags=socket.AI_NUMERICHOST)
        except OSError:
            continue
    raise DialRefused("the upstream cannot be reached")
