"""The control API for the local operator: from the running server, or without one, from the state itself."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from proxy.errors import CountersignError
from proxy.settings import Settings
from proxy.unix_sockets import name_for

ANSWER_SECONDS = 30.0


def operator_socket(settings: Settings) -> Path:
    """Where the operator's socket is."""
    return settings.state / "control" / "operator.sock"


@contextlib.asynccontextmanager
async def open_control(settings: Settings, *, running: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the control API, as the local operator. `running`: a server must be there."""
    socket = operator_socket(settings)
    if socket.is_socket():
        with name_for(socket) as name:
            async with _client(httpx.AsyncHTTPTransport(uds=name)) as client:
                if await _answers(client):
                    yield client
                    return
    if running:
        raise CountersignError("countersign serve is not running with this configuration; start it first")
    from proxy.app.offline import offline_control  # noqa: PLC0415 - the whole house, which a running server has loaded

    async with offline_control(settings) as transport, _client(transport) as client:
        yield client


def _client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=ANSWER_SECONDS, trust_env=False)


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).is_success
    except httpx.ConnectError:
        return False
