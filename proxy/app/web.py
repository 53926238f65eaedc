"""The control API and the console, served to people over TCP and to the local operator over a UNIX socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette

from proxy.control.operator_socket import OperatorProtocol
from proxy.control.public_protocol import PublicProtocol
from proxy.errors import CountersignError


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: how we end is decided in one place."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def web_servers(application: Starlette, listening: socket.socket, operator: socket.socket) -> AsyncIterator[None]:
    """Serves both sockets until left; open streams are given a moment."""
    servers = [
        (_Server(_config(application, PublicProtocol)), listening),
        (_Server(_config(application, OperatorProtocol)), operator),
    ]
    tasks = [asyncio.create_task(server.serve(sockets=[sock])) for server, sock in servers]
    try:
        while not all(server.started for server, _ in servers):
            if any(task.done() for task in tasks):
                raise CountersignError("the control API does not start")
            await asyncio.sleep(0.01)
        yield
    finally:
        for server, _ in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)


def _config(application: Starlette, http: type[PublicProtocol | OperatorProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=http,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or a clear word on why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        why = str(error.strerror).partition(" (while")[0].lower()  # which says the address once more
        raise CountersignError(f"cannot listen on {host}:{port}: {why}; choose another in `listen`") from error
    # What is accepted inherits it. asyncio sets it only on sockets that were made with the number of TCP, and an answer
    # whose head and body go out one by one would wait for the other side's delayed acknowledgement: 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
