"""How the proxy is reached."""

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest

from proxy.errors import CountersignError
from proxy.shim.way import Way, read_way


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("http://127.0.0.1:8080", Way("127.0.0.1", 8080)),
        ("http://localhost:8080", Way("localhost", 8080)),
        ("https://gov.example.com:8443", Way("gov.example.com", 8443, tls=True)),
        ("https://gov.example.com", Way("gov.example.com", 443, tls=True)),
        ("unix:/run/proxy.sock", Way(path="/run/proxy.sock")),
    ],
)
def test_ways(text: str, way: Way) -> None:
    """Each is read as what it says."""
    assert read_way(text) == way
    assert way.half_closes is not way.tls


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://gov.example.com:8080", "in plain text"),
        ("http://10.0.0.1:8080", "in plain text"),
        ("unix:run/proxy.sock", "whole path"),
        ("https://a.test/path", "end it after the port"),
        ("https://user:pass@a.test", "must not hold a user name"),
        ("a.test:8080", "must start with"),
        ("", "must start with"),
    ],
)
def test_what_is_no_way(text: str, words: str) -> None:
    """Said in words; and no credential goes over a network in plain text."""
    with pytest.raises(CountersignError, match=words):
        read_way(text)


async def accept_one(path: Path, way: Way) -> tuple[int, int]:
    """(uid, gid) that the kernel gives of who connects."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        os.chmod(path, 0o666)  # noqa: PTH101 - in a coroutine
        listening.listen()
        _, writer = await way.connect(None)
        accepted, _ = await asyncio.to_thread(listening.accept)
        with accepted:
            _, uid, gid = struct.unpack("3i", accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        writer.close()
        await writer.wait_closed()
    return uid, gid


def test_through_a_unix_socket_as_ourselves(tmp_path: Path) -> None:
    """The kernel names us."""
    path = tmp_path / "s"
    assert asyncio.run(accept_one(path, Way(path=str(path)))) == (os.geteuid(), os.getegid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_through_a_unix_socket_as_the_program(tmp_path: Path) -> None:
    """The kernel names the user as whom the program runs, and we are root again afterwards."""
    folder = Path("/tmp") / f"countersign-way-{os.getpid()}"  # pytest's own folders are closed to others
    folder.mkdir(mode=0o755)
    path = folder / "s"
    try:
        assert asyncio.run(accept_one(path, Way(path=str(path), user=(4711, 4712)))) == (4711, 4712)
        assert (os.geteuid(), os.getegid()) == (0, 0)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            asyncio.run(Way(path=str(path), user=(4711, 4712)).connect(None))
        assert (os.geteuid(), os.getegid()) == (0, 0)
    finally:
        path.unlink(missing_ok=True)
        folder.rmdir()


def test_where_nobody_listens() -> None:
    """There is no connection, and no hanging."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(OSError, match=r"refused|Connect"):
            asyncio.run(Way("127.0.0.1", port).connect(None))
