"""UNIX sockets: what lies in the way, and who is at the other end."""

import os
import socket
import stat
from pathlib import Path

import pytest

from proxy.errors import CountersignError
from proxy.unix_sockets import LONGEST_PATH, bind_at, credentials_of


def test_only_a_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    """One that is in use stays, also when its queue is full; so do a file and a link."""
    path = tmp_path / "one.sock"
    bind_at(path, 0o600).close()
    with bind_at(path, 0o600) as listening:
        listening.listen(0)
        for _ in range(2):  # the second time its queue is full
            with pytest.raises(CountersignError, match="another Countersign is serving"):
                bind_at(path, 0o600)
    path.unlink()
    path.write_text("mine")
    with pytest.raises(CountersignError, match="not a socket"):
        bind_at(path, 0o600)
    assert path.read_text() == "mine"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CountersignError, match="not a socket"):
        bind_at(path, 0o600)


@pytest.mark.parametrize("mode", [0o600, 0o666])
def test_who_may_connect_is_set_before_anybody_can(tmp_path: Path, mode: int) -> None:
    """The socket is returned bound, with its mode, and without listening."""
    path = tmp_path / "one.sock"
    with bind_at(path, mode), socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.stat().st_mode) == mode
        with pytest.raises(ConnectionRefusedError):
            client.connect(str(path))


def test_a_place_where_nobody_can_bind_is_an_error(tmp_path: Path) -> None:
    """No folder, and a path that the kernel does not take; one of the longest length it takes."""
    with pytest.raises(OSError, match="No such file"):
        bind_at(tmp_path / "missing" / "one.sock", 0o600)
    with pytest.raises(OSError, match="too long"):
        bind_at(tmp_path / ("x" * 200), 0o600)
    relative = Path(os.path.relpath(tmp_path))
    assert len(os.fsencode(relative)) < LONGEST_PATH
    longest = relative / ("x" * (LONGEST_PATH - len(os.fsencode(relative)) - 1))
    bind_at(longest, 0o600).close()


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    """Over a UNIX socket it names process, user and group; over TCP nobody."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert credentials_of(ours) == (os.getpid(), os.getuid(), os.getgid())
    with socket.socket(socket.AF_INET) as tcp:
        assert credentials_of(tcp) is None
    assert credentials_of(None) is None
