"""The UNIX socket: who may connect, what the kernel says of them, and what is never replaced."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.errors import CountersignError
from proxy.listener.local_socket import bind_local, local_peer
from proxy.stages import LocalPeer
from tests.fakes.agents import CREDENTIAL, rig

GET = "GET / HTTP/1.1\nHost: a.test"
CLIENT = """
import os, socket, sys
os.setgroups([]); os.setgid(4711); os.setuid(4711)
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b"GET http://a.test/ HTTP/1.1\\r\\nHost: a.test\\r\\nConnection: close\\r\\n\\r\\n")
print(sock.makefile().read())
"""


def test_the_kernel_says_who_connects(tmp_path: Path) -> None:
    """The evidence of a tunnel and of a request has our own uid, gid and pid; the record's peer is the uid."""
    path = tmp_path / "run" / "proxy.sock"

    async def run() -> None:
        async with rig(local=path) as r:
            me = LocalPeer(os.geteuid(), os.getegid(), os.getpid())
            wire = await r.tunnel_over(await r.dial_local())
            assert (await wire.ask(GET))[0] == 200
            await wire.close()
            wire = await r.dial_local()
            assert (await wire.ask(f"GET http://a.test/ HTTP/1.1\nHost: a.test\n{CREDENTIAL}"))[0] == 200
            await wire.close()
            for evidence in (r.gate.tunnels[0][1], r.gate.calls[1][1]):
                assert evidence is not None
                assert (evidence.local, evidence.peer) == (me, f"unix:uid={me.uid}")
                assert evidence.credentials == (("basic", "countersign_x"),)
            assert r.gate.calls[0][1] is None
            plain = await r.tunnel()
            assert r.gate.tunnels[1][1].local is None
            await plain.close()
        assert not path.exists()

    asyncio.run(run())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_may_connect_and_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A process of another user reaches the socket, and is known by its own uid."""

    async def run(path: Path) -> None:
        async with rig(names=(), local=path) as r:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CLIENT, str(path), stdout=asyncio.subprocess.PIPE
            )
            out, _ = await process.communicate()
            assert out.startswith(b"HTTP/1.1 200")
            evidence = r.gate.calls[0][1]
            assert evidence is not None
            assert evidence.local == LocalPeer(4711, 4711, process.pid)

    folder = Path("/tmp") / f"countersign-test-{os.getpid()}"  # pytest's own folders are closed to others
    try:
        asyncio.run(run(folder / "proxy.sock"))
    finally:
        folder.rmdir()


def test_its_modes(tmp_path: Path) -> None:
    """Everybody may connect; only we may put anything else in its place."""
    with bind_local(tmp_path / "made" / "proxy.sock"):
        assert stat.S_IMODE((tmp_path / "made").stat().st_mode) & 0o022 == 0
        assert stat.S_IMODE((tmp_path / "made" / "proxy.sock").stat().st_mode) == 0o666


def test_a_folder_in_which_others_may_write_is_refused(tmp_path: Path) -> None:
    """Somebody else could listen in our place there, and take what agents present."""
    for mode in (0o777, 0o1777, 0o775):
        tmp_path.chmod(mode)
        with pytest.raises(CountersignError, match="only you may write"):
            bind_local(tmp_path / "proxy.sock")
    assert not (tmp_path / "proxy.sock").exists()


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_may_move_away_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever may write to a folder above it can put another folder in its place."""
    above = tmp_path / "above"
    (above / "ours").mkdir(parents=True, mode=0o755)
    above.chmod(mode)
    with pytest.raises(CountersignError, match="only you may write"):
        bind_local(above / "ours" / "proxy.sock")
    above.chmod(0o1777)  # as /tmp: others may write there, and move nothing of ours
    bind_local(above / "ours" / "proxy.sock").close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away a folder")
@pytest.mark.parametrize("how", ["folder", "link"])
def test_a_folder_below_somebody_elses_is_refused(tmp_path: Path, how: str) -> None:
    """Its owner may do with it as they like; and so may the owner of a link that leads there."""
    above, ours = tmp_path / "above", tmp_path / "ours"
    ours.mkdir(mode=0o755)
    if how == "folder":
        (above / "sub").mkdir(parents=True, mode=0o755)
        os.chown(above, 4711, 4711)
    else:
        above.mkdir(mode=0o755)
        (above / "sub").symlink_to(ours)
        os.chown(above / "sub", 4711, 4711, follow_symlinks=False)
    with pytest.raises(CountersignError, match="only you may write"):
        bind_local(above / "sub" / "proxy.sock")


def test_what_is_replaced_and_what_is_not(tmp_path: Path) -> None:
    """A socket that nobody listens on any more is; one in use, and a file, are not."""
    path = tmp_path / "proxy.sock"
    tmp_path.chmod(0o755)
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with bind_local(path) as listening:
        listening.listen(0)
        for _ in range(2):  # the second time its queue is full
            with pytest.raises(CountersignError, match="another Countersign is serving"):
                bind_local(path)
    path.unlink()
    path.write_text("mine")
    with pytest.raises(CountersignError, match="not a socket"):
        bind_local(path)
    assert path.read_text() == "mine"


def test_where_nobody_can_listen(tmp_path: Path) -> None:
    """A folder that is a file, and a name that is too long, are said in words."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CountersignError, match=r"listen\.local"):
        bind_local(tmp_path / "file" / "proxy.sock")
    tmp_path.chmod(0o755)
    with pytest.raises(CountersignError, match="too long"):
        bind_local(tmp_path / ("x" * 200))


def test_a_connection_over_tcp_is_no_local_peer() -> None:
    """The kernel names nobody there."""

    class Transport(asyncio.BaseTransport):
        def get_extra_info(self, name: str, default: object = None) -> object:
            return sock if name == "socket" else default

    with socket.socket(socket.AF_INET) as sock:
        assert local_peer(Transport()) is None


def test_the_folder_is_the_callers_choice(tmp_path: Path) -> None:
    """Whoever may not enter the folder may not connect."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(0o700)
    with bind_local(tmp_path / "proxy.sock") as listening:
        listening.listen()
        done = subprocess.run(
            [sys.executable, "-c", CLIENT, str(tmp_path / "proxy.sock")], capture_output=True, text=True, check=False
        )
        assert "PermissionError" in done.stderr
