"""The control API for the local operator: from the running server, or without one, from the state itself."""

import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.documents import read_bytes, read_tree
from proxy.errors import CountersignError, Mistake
from proxy.unix_sockets import name_for

if TYPE_CHECKING:
    import httpx

    from proxy.settings import Settings

ANSWER_SECONDS = 30.0
DEFAULT_STATE = "state"
_STATE_LINE = re.compile(r"^state[ \t]*:[^\n]*", re.MULTILINE)


def not_yours(path: Path) -> CountersignError:
    """What is said to somebody who is not the operator."""
    return CountersignError(
        f"{path}: only the user who runs `countersign serve` may open this; give the command as that user"
    )


def operator_socket(settings: "Settings") -> Path:
    """Where the operator's socket is."""
    return _socket_in(settings.state)


def written_socket(config: Path) -> Path | None:
    """The same by the file alone, whatever else is wrong in it: a kill switch needs no more. None if it cannot tell."""
    raw = read_bytes(config, [])
    if raw is None:
        return None
    state = _written_state(raw)
    return None if state is None else _socket_in(Path(os.path.abspath(config.parent / state)))  # noqa: PTH100 - as settings do


def _written_state(raw: bytes) -> str | None:
    mistakes: list[Mistake] = []
    document = read_tree(raw, "", mistakes)
    if document is None:  # not YAML: its line can still be told, if there is just one
        lines = _STATE_LINE.findall(raw.decode("utf-8-sig", "replace").replace("\r\n", "\n"))
        if len(lines) != 1 or (document := read_tree(lines[0].encode(), "", mistakes)) is None:
            return None
    said = document.data.get("state", DEFAULT_STATE)
    return said if isinstance(said, str) and "\0" not in said else None


def _socket_in(state: Path) -> Path:
    return state / "control" / "operator.sock"


@contextlib.asynccontextmanager
async def open_control(settings: "Settings", *, running: bool = False) -> AsyncIterator["httpx.AsyncClient"]:
    """A client of the control API, as the local operator. `running`: a server must be there."""
    import httpx  # noqa: PLC0415 - most commands ask one thing, and do without it

    socket = operator_socket(settings)
    try:
        there = socket.is_socket()
    except PermissionError as error:
        raise not_yours(socket) from error
    if there:
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


def _client(transport: "httpx.AsyncBaseTransport") -> "httpx.AsyncClient":
    import httpx  # noqa: PLC0415 - as above

    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=ANSWER_SECONDS, trust_env=False)


async def _answers(client: "httpx.AsyncClient") -> bool:
    import httpx  # noqa: PLC0415 - as above

    try:
        return (await client.get("/healthz")).is_success
    except httpx.ConnectError:
        return False
