"""How the shim reaches the proxy: in plain text on this machine, in TLS, or through a UNIX socket."""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.errors import CountersignError
from proxy.inventory.addresses import is_loopback, parse_url

CONNECT_SECONDS = 10.0
ROOM = 128 * 1024

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Way:
    """One of: `path` of a UNIX socket, or host and port, with TLS or without.

    `user`: the uid and gid as whom a UNIX socket is connected to, for what the kernel says there.
    """

    host: str = ""
    port: int = 0
    tls: bool = False
    path: str = ""
    user: tuple[int, int] | None = None

    @property
    def half_closes(self) -> bool:
        """Whether the end of what is sent can be told without ending what is received; in TLS it cannot."""
        return not self.tls

    async def connect(self, context: ssl.SSLContext | None) -> Streams:
        """A connection; raises `OSError` (`TimeoutError` and `ssl.SSLError` are such) if there is none."""
        async with asyncio.timeout(CONNECT_SECONDS):
            if self.path:
                return await asyncio.open_unix_connection(sock=_connected(self.path, self.user), limit=ROOM)
            return await asyncio.open_connection(self.host, self.port, ssl=context if self.tls else None, limit=ROOM)


def _connected(path: str, user: tuple[int, int] | None) -> socket.socket:
    """A connection to this socket. The kernel notes the effective user at this moment (`SO_PEERCRED`, unix(7))."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(0)
        with _acting_as(user):
            sock.connect(path)  # at once, or not at all: it waits only for a listener whose queue is full
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _acting_as(user: tuple[int, int] | None) -> Iterator[None]:
    if user is None:
        yield
        return
    mine = os.geteuid(), os.getegid()
    os.setegid(user[1])
    os.seteuid(user[0])
    try:
        yield
    finally:
        os.seteuid(mine[0])
        os.setegid(mine[1])


def read_way(text: str) -> Way:
    """The way that this text names; raises `CountersignError` with words for one that is not safe, or none."""
    kind, _, rest = text.partition(":")
    if kind == "unix":
        if not rest.startswith("/"):
            raise CountersignError(f"`{text}` is no way to the proxy: give the whole path, `unix:/PATH`")
        return Way(path=rest)
    try:
        place = parse_url(text)
    except ValueError as error:
        raise CountersignError(f"`{text}` is no way to the proxy: {error}; or give `unix:/PATH`") from error
    if place.prefix:
        raise CountersignError(f"`{text}` is no way to the proxy: end it after the port")
    if place.scheme == "http" and not is_loopback(place.host):
        raise CountersignError(f"`{text}` would send credentials in plain text; use the proxy's `https://` address")
    return Way(place.host, place.port, place.scheme == "https")
