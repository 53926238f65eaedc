"""UNIX sockets: what lies in the way, and who is at the other end."""

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from proxy.errors import CountersignError
from proxy.unix_sockets import LONGEST_PATH, bind_at, credentials_of, name_for


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
    with bind_at(path, mode), name_for(path) as name, socket.socket(socket.AF_UNIX) as client:
        assert stat.S_IMODE(path.stat().st_mode) == mode
        with pytest.raises(ConnectionRefusedError):
            client.connect(name)


def test_a_place_where_nobody_can_bind_is_an_error(tmp_path: Path) -> None:
    """No folder, and a name that no folder takes."""
    with pytest.raises(OSError, match="No such file"):
        bind_at(tmp_path / "missing" / "one.sock", 0o600)
    with pytest.raises(OSError, match="too long"):
        bind_at(tmp_path / ("x" * 300), 0o600)


@pytest.mark.parametrize("length", [LONGEST_PATH, LONGEST_PATH + 1, 500])
def test_a_path_of_any_length_can_be_bound_and_reached(length: int) -> None:
    """Up to the kernel's limit by its own name, beyond it through its folder; nothing stays open of that."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        while length - len(os.fsencode(folder)) > 80:
            folder /= "d" * 60
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / ("x" * (length - len(os.fsencode(folder)) - 1))
        assert len(os.fsencode(path)) == length
        before = len(list(Path("/proc/self/fd").iterdir()))
        with bind_at(path, 0o600) as listening:
            listening.listen(1)
            with name_for(path) as name, socket.socket(socket.AF_UNIX) as client:
                client.connect(name)
            with pytest.raises(CountersignError, match="another Countersign is serving"):
                bind_at(path, 0o600)
        bind_at(path, 0o600).close()  # nobody listens on it any more
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    finally:
        shutil.rmtree(Path(*folder.parts[:3]))


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    """Over a UNIX socket it names process, user and group; over TCP nobody."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert credentials_of(ours) == (os.getpid(), os.getuid(), os.getgid())
    with socket.socket(socket.AF_INET) as tcp:
        assert credentials_of(tcp) is None
    assert credentials_of(None) is None
