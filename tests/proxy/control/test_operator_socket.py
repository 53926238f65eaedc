"""The operator's socket, with a real server behind it."""

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from proxy.control.operator_socket import OperatorProtocol, bind_operator_socket
from proxy.errors import CountersignError
from tests.fakes.control_house import House
from tests.fakes.waiting import PATIENCE


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):
        yield


@contextlib.asynccontextmanager
async def serving(house: House, sock: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(house.app, http=OperatorProtocol, ws="none", lifespan="off", log_config=None)
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody when it has started
        await asyncio.sleep(0)
    yield
    server.should_exit = True
    await task


def test_the_socket_is_for_nobody_else(tmp_path: Path) -> None:
    """Its folder is 0700 and it is 0600 before anybody could connect."""
    path = tmp_path / "control" / "op.sock"
    with bind_operator_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    """The socket is not made where somebody else could reach or replace it."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(CountersignError, match="chmod 700"):
        bind_operator_socket(folder / "op.sock")


def test_what_lies_in_the_way_is_not_removed(tmp_path: Path) -> None:
    """A file, or a link, at the socket's place is left alone; a dead socket is replaced; a live one is not."""
    tmp_path.chmod(0o700)
    path = tmp_path / "op.sock"
    path.write_text("precious")
    with pytest.raises(CountersignError, match="not a socket"):
        bind_operator_socket(path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CountersignError, match="not a socket"):
        bind_operator_socket(path)
    path.unlink()
    bind_operator_socket(path).close()
    with bind_operator_socket(path) as live:
        live.listen()
        with pytest.raises(CountersignError, match="another Countersign"):
            bind_operator_socket(path)


def test_a_place_that_is_too_long_is_told(tmp_path: Path) -> None:
    """A name that no folder takes is told in words."""
    tmp_path.chmod(0o700)
    with pytest.raises(CountersignError, match="cannot open"):
        bind_operator_socket(tmp_path / ("x" * 300))


def test_the_local_user_is_the_operator_over_the_socket_only(house: House, tmp_path: Path) -> None:
    """The same application over TCP, even through the same protocol, gives nobody the operator's rights."""

    async def scenario() -> None:
        path = tmp_path / "control" / "op.sock"
        async with serving(house, bind_operator_socket(path)):
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(transport=transport, base_url="http://countersign") as client:
                answer = await client.post("/v1/handles", json={"agent": "support-bot"})
                assert answer.status_code == 201
        tcp = socket.create_server(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
        async with (
            serving(house, tcp),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
        ):
            answer = await client.get("/v1/handles")
            assert (answer.status_code, answer.json()["code"]) == (403, "not_the_operator")
        assert house.log.types() == ["handle.issued"]
        assert house.log.records[0]["change"]["by"].startswith("operator:uid=")

    asyncio.run(scenario())
