"""The load of the benches over HTTP/2: connections through a proxy's CONNECT, each with several requests under way.

No library: a request is the same few bytes each time, as a client's own header compression makes it, and of an answer
the fields are read and the body compared. So the load costs little beside what it measures.
"""

import asyncio
import time
from dataclasses import dataclass, field

from hpack import Decoder, Encoder

from tests.bench.load import HOST, Tally, Way, open_connection
from tests.bench.upstream import BODY

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, PADDED, ACK = 1, 4, 8, 1


@dataclass(slots=True)
class Client:
    """One connection, which asks anew whenever an answer is complete. It keeps what it counts to itself."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    marker: str
    blocks: list[bytes]
    rest: bytes = b""
    last: int = -1
    begun: dict[int, float] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    decoder: Decoder = field(default_factory=Decoder)
    tally: Tally = field(default_factory=Tally)

    def start(self) -> None:
        windows = frame(SETTINGS, 0, 0, b"\0\4" + (2**20).to_bytes(4)) + frame(WINDOW_UPDATE, 0, 0, (2**30).to_bytes(4))
        self.writer.write(PREFACE + windows)

    def ask(self) -> bytes:
        """The next request."""
        self.last += 2
        self.begun[self.last] = time.perf_counter()
        return frame(HEADERS, END_STREAM | END_HEADERS, self.last, self.blocks[min(self.last // 2, 1)])

    async def run(self, streams: int, end: float) -> None:
        """So many requests under way until this time, and until all of them are answered."""
        self.writer.write(b"".join(self.ask() for _ in range(streams)))
        while self.begun:
            data = await self.reader.read(65536)
            if not data:
                raise RuntimeError("the proxy has closed the connection")
            self.writer.write(self.take(data, again=time.perf_counter() < end))

    def take(self, data: bytes, *, again: bool) -> bytes:
        """Reads what has come; what is to be sent because of it."""
        data, at = self.rest + data, 0
        out: list[bytes] = []
        while len(data) - at >= 9:
            length = int.from_bytes(data[at : at + 3])
            if len(data) - at - 9 < length:
                break
            kind, flags, stream = data[at + 3], data[at + 4], int.from_bytes(data[at + 5 : at + 9])
            payload = data[at + 9 : at + 9 + length]
            at += 9 + length
            if kind in {HEADERS, DATA}:
                self._answer(kind, stream, payload)
                if flags & END_STREAM:
                    self._complete(stream)
                    out += [self.ask()] if again else []
            elif kind in {SETTINGS, PING} and not flags & ACK:
                out.append(frame(kind, ACK, 0, payload if kind == PING else b""))
            elif kind in {RST_STREAM, GOAWAY}:
                raise RuntimeError(f"frame {kind} of the proxy: {payload!r}")
        self.rest = data[at:]
        return b"".join(out)

    def _answer(self, kind: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
            return
        fields = dict(self.decoder.decode(payload))
        if not fields[":status"].startswith("2") or fields.get("x-bench") != self.marker:
            self.tally.wrong.append(repr(fields))

    def _complete(self, stream: int) -> None:
        body = self.bodies.pop(stream, b"")
        if body != BODY:
            self.tally.wrong.append(repr(body[:200]))
        self.tally.seconds.append(time.perf_counter() - self.begun.pop(stream))


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


async def run_h2_load(way: Way, marker: str, connections: int, streams: int, duration: float) -> Tally:
    """The tally of so many connections with so many requests each, after each has had its first answers."""
    clients = []
    for _ in range(connections):
        reader, writer = await open_connection(way, alpn="h2")
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
            raise RuntimeError("the proxy does not speak HTTP/2")
        encoder = Encoder()
        fields = [
            *((":method", "GET"), (":scheme", "https"), (":authority", f"{HOST}:{way.upstream}"), (":path", way.path)),
            ("accept", "application/json"),
        ]
        clients.append(Client(reader, writer, marker, [encoder.encode(fields), encoder.encode(fields)]))
    for client in clients:
        client.start()
        await client.run(streams, 0)
        client.tally = Tally()
    end = time.perf_counter() + duration
    await asyncio.gather(*(client.run(streams, end) for client in clients))
    for client in clients:
        client.writer.transport.abort()
    return Tally(
        [seconds for client in clients for seconds in client.tally.seconds],
        [wrong for client in clients for wrong in client.tally.wrong],
    )
