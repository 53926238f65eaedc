"""A listener between a fake gate and real upstreams, and clients that say exactly what a test wants to say."""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.listener.listener import Listener
from proxy.listener.options import ListenerOptions
from proxy.stages import Destination
from tests.fakes.gate import FakeGate
from tests.fakes.upstream import Handler, Upstream, hello, trust_file, upstream
from tests.fakes.waiting import PATIENCE

CREDENTIAL = "Proxy-Authorization: Basic Ym90OmNvdW50ZXJzaWduX3g="  # bot:countersign_x


@dataclass
class Rig:
    """What a test works with."""

    listener: Listener
    gate: FakeGate
    upstream: Upstream
    directory: Path
    credential: str = CREDENTIAL

    @property
    def proxy(self) -> str:
        host, port = self.listener.proxy_address
        return f"http://bot:countersign_x@{host}:{port}"

    @property
    def ca(self) -> str:
        return str(self.directory / "ca.pem")

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)

    async def dial(self, *, gateway: bool = False) -> "Wire":
        address = self.listener.gateway_address if gateway else self.listener.proxy_address
        assert address is not None
        return Wire(*await asyncio.open_connection(*address))

    async def dial_tls(self, *shown: Path, gateway: bool = False, context: ssl.SSLContext | None = None) -> "Wire":
        """A connection in TLS to the proxy itself, showing this chain (a file with its key), if any."""
        address = self.listener.gateway_tls_address if gateway else self.listener.proxy_tls_address
        assert address is not None
        context = context or self.trust()
        for file in shown:
            context.load_cert_chain(file)
        return Wire(*await asyncio.open_connection(*address, ssl=context, server_hostname="localhost"))

    async def dial_local(self) -> "Wire":
        """A connection at the local socket."""
        assert self.listener.local is not None
        return Wire(*await asyncio.open_unix_connection(self.listener.local))

    async def tunnel(
        self, host: str = "a.test", port: int = 443, *, tls: bool = True, sni: str | None = None
    ) -> "Wire":
        """A connection through CONNECT, with TLS inside."""
        return await self.tunnel_over(await self.dial(), host, port, tls=tls, sni=sni)

    async def tunnel_over(
        self, wire: "Wire", host: str = "a.test", port: int = 443, *, tls: bool = True, sni: str | None = None
    ) -> "Wire":
        """CONNECT on this connection, with TLS inside."""
        wire.send(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{self.credential}\r\n\r\n".encode())
        head = await wire.head()
        assert head.startswith(b"HTTP/1.1 200 "), head
        if tls:
            await wire.start_tls(self.trust(), sni or host)
        return wire


@dataclass
class Wire:
    """A raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        await self.writer.start_tls(context, server_hostname=name)

    async def head(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes, bytes]:
        """(status, head, body) of one response that has a length or is chunked."""
        head = await self.head()
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        async with asyncio.timeout(PATIENCE):
            if b"transfer-encoding: chunked" in lower:
                return status, head, await self._chunks()
            length = next(
                (int(line.split(b":")[1]) for line in lower.split(b"\r\n") if line.startswith(b"content-length:")), 0
            )
            return status, head, await self.reader.readexactly(length)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    async def rest(self) -> bytes:
        """Everything until the connection ends, politely or not."""
        async with asyncio.timeout(PATIENCE):
            data = b""
            try:
                while chunk := await self.reader.read(65536):
                    data += chunk
            except (ConnectionError, ssl.SSLError):
                pass
            return data

    async def ask(self, head: str, body: bytes = b"") -> tuple[int, bytes, bytes]:
        """Sends a request (its lines joined by newlines) and reads the answer."""
        self.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return await self.answer()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def rig(
    handler: Handler = hello,
    *,
    gate: FakeGate | None = None,
    names: tuple[str, ...] = ("a.test",),
    gateway: bool = False,
    place: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Rig]:
    """Calls go to one upstream on loopback, over TLS as `names`, or in plain text if there are none."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        gate = gate or FakeGate()
        async with upstream(handler, names=names) as server:
            default = {
                "scheme": "https" if names else "http",
                "host": names[0] if names else "a.test",
                "port": 443 if names else 80,
                "connect": ("127.0.0.1", server.port),
                "ca_bundle": trust_file(directory) if names else None,
                "allow_private_addresses": True,
            }
            gate.place = Destination(**(default | (place or {})))
            listener = Listener(
                gate,
                ListenerOptions(ca_directory=directory, gateway_port=0 if gateway else None, **options),
            )
            await listener.start()
            try:
                yield Rig(listener, gate, server, directory)
            finally:
                await listener.stop(0)
