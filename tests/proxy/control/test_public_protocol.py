"""Clients that connect to the console's port and do not get on with it, with a real server behind it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from proxy.control import public_protocol as module
from proxy.control.public_protocol import PublicProtocol
from tests.fakes.waiting import PATIENCE, SwiftLoop, flying

WHOLE = b"GET /slowly HTTP/1.1\r\nHost: x\r\n\r\n"


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def slowly(_: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(4):
            await asyncio.sleep(module.WHOLE_REQUEST_WITHIN / 2)
            yield b"."

    return StreamingResponse(parts())


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[int]:
    application = Starlette(routes=[Route("/", echo, methods=["POST"]), Route("/slowly", slowly)])
    server = Server(
        uvicorn.Config(application, http=PublicProtocol, ws="none", lifespan="off", log_config=None, access_log=False)
    )
    with socket.create_server(("127.0.0.1", 0)) as sock:
        task = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody when it has started
            await asyncio.sleep(0)
        yield sock.getsockname()[1]
        server.should_exit = True
        await task


async def told(port: int, data: bytes) -> bytes:
    """All that the server says to this, until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    said = b""
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionResetError):
            while piece := await reader.read(1024):
                said += piece
    await closed(writer)
    return said


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_REQUEST_WITHIN", 5.0)


@pytest.mark.parametrize(
    "part",
    [b"", b"GET / HTTP/1.1\r\nHo", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"],
    ids=["nothing", "half a head", "half a body"],
)
def test_half_a_request_is_not_waited_for_without_end(part: bytes) -> None:
    """Whoever does not finish a request loses the connection, and is told nothing."""

    async def main() -> bytes:
        async with serving() as port:
            return await flying(told(port, part))

    assert asyncio.run(main(), loop_factory=SwiftLoop) == b""


def test_a_second_request_has_to_be_whole_as_well() -> None:
    """The first is answered; half of a second one ends the connection."""

    async def main() -> bytes:
        async with serving() as port:
            return await flying(told(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nokPOST / HT"))

    said = asyncio.run(main(), loop_factory=SwiftLoop)
    assert said.startswith(b"HTTP/1.1 200")
    assert said.endswith(b"ok")


def test_a_long_answer_is_given_whole() -> None:
    """The time is for asking: an event stream may last much longer."""

    async def main() -> bytes:
        async with serving() as port:
            return await flying(told(port, WHOLE.replace(b"Host: x", b"Host: x\r\nConnection: close")))

    assert asyncio.run(main(), loop_factory=SwiftLoop).count(b"\r\n.\r\n") == 4


def test_there_are_only_so_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than that is closed at once; the others are not disturbed."""
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 1)

    async def main() -> tuple[bytes, bytes]:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(WHOLE)
            head = await reader.readuntil(b"\r\n")
            other = await told(port, WHOLE)
            await closed(writer)
            return head, other

    head, other = asyncio.run(main(), loop_factory=SwiftLoop)
    assert head.startswith(b"HTTP/1.1 200")
    assert other == b""
