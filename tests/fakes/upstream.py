"""Real HTTP/1.1 servers on loopback, that keep every byte they were sent and answer as they are told."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import trustme

type Handler = Callable[["Seen", asyncio.StreamWriter], Awaitable[bool | None]]


@dataclass
class Seen:
    """One request as it came over the wire."""

    head: bytes
    body: bytes
    reader: asyncio.StreamReader

    @property
    def first_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines if line)]

    def field(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


@dataclass
class Upstream:
    """Answers each request with `handler`, which returns False to close the connection."""

    handler: Handler
    port: int = 0
    connections: int = 0
    seen: list[Seen] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.raw += head
                seen = Seen(head, b"", reader)
                length = seen.field("content-length")
                if length:
                    seen.body = await reader.readexactly(int(length[0]))
                    self.raw += seen.body
                self.seen.append(seen)
                if await self.handler(seen, writer) is False:
                    break
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError) as error:
            self.raw += getattr(error, "partial", b"")
        finally:
            self.closed.set()
            self.writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()


def answer(body: bytes = b"hello", status: str = "200 OK", *fields: str) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


async def hello(seen: Seen, writer: asyncio.StreamWriter) -> None:
    """Says hello, whatever is asked."""
    writer.write(answer())


def says(raw: bytes, *, close: bool = False) -> Handler:
    """A handler that writes these bytes."""

    async def handler(seen: Seen, writer: asyncio.StreamWriter) -> bool:
        writer.write(raw)
        await writer.drain()
        return not close

    return handler


@cache
def authority() -> trustme.CA:
    """Who vouches for our upstreams."""
    return trustme.CA()


def trust_file(directory: Path) -> str:
    """A bundle that holds this authority alone."""
    path = directory / "upstream-ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


@contextlib.asynccontextmanager
async def upstream(
    handler: Handler = hello, *, names: tuple[str, ...] = (), address: str = "127.0.0.1"
) -> AsyncIterator[Upstream]:
    """A server in this loop; with `names`, over TLS with a certificate for them."""
    context = None
    if names:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority().issue_cert(*names).configure_cert(context)
    this = Upstream(handler)
    server = await asyncio.start_server(this.serve, address, 0, ssl=context, limit=2**22)
    this.port = server.sockets[0].getsockname()[1]
    try:
        yield this
    finally:
        server.close()
        for writer in list(this.writers):
            writer.transport.abort()
        await server.wait_closed()
