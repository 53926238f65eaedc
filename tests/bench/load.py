"""The load of the benches: keep-alive connections through a proxy's CONNECT, each sending one request after another."""

import asyncio
import base64
import ssl
import time
from dataclasses import dataclass, field

HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Way:
    """How to get through a proxy, and what proves that it was this one: the issuer of the certificate it shows."""

    port: int
    upstream: int
    roots: str
    issuer: str
    handle: str = ""
    path: str = "/v1/customers/c-7"
    agent: str = "bench"


@dataclass(slots=True)
class Tally:
    """What came back: seconds of each answer, and anything that was not a 2xx of the upstream."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def run_load(way: Way, marker: str, connections: int, duration: float) -> Tally:
    """The tally of `connections` clients over `duration` seconds, after each has had its first answer."""
    tally = Tally()
    opened = [await open_connection(way) for _ in range(connections)]
    for reader, writer in opened:
        await ask(reader, writer, way, marker, Tally())
    end = time.perf_counter() + duration
    await asyncio.gather(*(_client(reader, writer, way, marker, tally, end) for reader, writer in opened))
    for _, writer in opened:
        writer.transport.abort()
    return tally


async def open_directly(way: Way, trust: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS connection to the upstream, with no proxy between."""
    return await asyncio.open_connection("127.0.0.1", way.upstream, ssl=trust, server_hostname=HOST)


async def open_connection(
    way: Way, trust: ssl.SSLContext | None = None, alpn: str = "http/1.1"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TLS connection inside a CONNECT tunnel, to the proxy that is meant. With `trust`, no roots are read again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", way.port)
    proof = base64.b64encode(f"{way.agent}:{way.handle}".encode()).decode()
    auth = f"Proxy-Authorization: Basic {proof}\r\n" if way.handle else ""
    writer.write(f"CONNECT {HOST}:{way.upstream} HTTP/1.1\r\nHost: {HOST}:{way.upstream}\r\n{auth}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise RuntimeError(f"the proxy refuses the tunnel: {head[:200]!r}")
    context = trust or ssl.create_default_context(cafile=way.roots)
    context.set_alpn_protocols([alpn])
    await writer.start_tls(context, server_hostname=HOST)
    certificate = writer.get_extra_info("peercert")
    issuer = dict(pair[0] for pair in certificate["issuer"]).get("commonName", "")
    if way.issuer not in issuer:
        raise RuntimeError(f"this is not the proxy that is meant: its certificate is of `{issuer}`")
    return reader, writer


async def _client(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, marker: str, tally: Tally, end: float
) -> None:
    while time.perf_counter() < end:
        await ask(reader, writer, way, marker, tally)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, marker: str, tally: Tally) -> None:
    """One request and its answer."""
    began = time.perf_counter()
    writer.write(request(way))
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 2") or f"x-bench: {marker}".encode() not in lower:
        tally.wrong.append(repr(head[:120] + body[:200]))
    tally.seconds.append(time.perf_counter() - began)


def request(way: Way, method: str = "GET", body: bytes = b"", fields: str = "") -> bytes:
    """One request's bytes. `fields` are more header lines."""
    if body:
        fields += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    head = f"{method} {way.path} HTTP/1.1\r\nHost: {HOST}:{way.upstream}\r\nAccept: application/json\r\n{fields}\r\n"
    return head.encode() + body
