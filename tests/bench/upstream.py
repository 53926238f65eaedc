"""The upstream of the benches: the least that speaks HTTP/1.1 with keep-alive, in a process of its own.

Over TLS, unless its kind is `no-tls`.
"""

import asyncio
import socket
import ssl
import sys
import time

BODY = b'{"customer":"c-7","name":"Ada Example","plan":"gold"}'
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS_EVERY = 0.02


class Upstream(asyncio.Protocol):
    """Answers every request head with the same small JSON document, and the marker of this run.

    `/v1/events` is a stream without end, of the monotonic time in nanoseconds at which each event was sent.
    """

    def __init__(self, marker: str, kind: str) -> None:
        self._split = kind == "two-writes"
        self._answer = (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
            + f"content-length: {len(BODY)}\r\nx-bench: {marker}\r\n\r\n".encode()
            + BODY
        )
        self._rest = b""
        self._head = STREAM

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._split:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        count = self._rest.count(b"\r\n\r\n")
        if not count:
            return
        streams = b"GET /v1/events " in self._rest
        self._rest = self._rest.rpartition(b"\r\n\r\n")[2]
        if streams:
            self._event()
        elif self._split:
            self._transport.write(self._answer[: -len(BODY)])
            self._transport.write(self._answer[-len(BODY) :])
        else:
            self._transport.write(self._answer * count)

    def _event(self) -> None:
        if self._transport.is_closing():
            return
        event = b"data: %020d\n\n" % time.monotonic_ns()
        self._transport.write(b"%s%x\r\n%s\r\n" % (self._head, len(event), event))
        self._head = b""
        asyncio.get_running_loop().call_later(EVENTS_EVERY, self._event)


async def main(chain: str, key: str, marker: str, kind: str = "plain") -> None:
    """Serve on a free loopback port, printed on the first line, until killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    context.set_alpn_protocols(["http/1.1"])
    server = await asyncio.get_running_loop().create_server(
        lambda: Upstream(marker, kind), "127.0.0.1", 0, ssl=None if kind == "no-tls" else context, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
