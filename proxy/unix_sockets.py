"""UNIX sockets at a path: how long it may be, what may lie there already, and whose process is at the other end."""

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from proxy.errors import CountersignError

# sockaddr_un has 108 bytes (unix(7)). Where we alone open a socket, a longer path will do: see `name_for`.
LONGEST_PATH = 100

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


@contextlib.contextmanager
def name_for(path: Path) -> Iterator[str]:
    """The name by which the kernel finds this socket, however long its path; it holds while the context is open.

    A long one goes through its folder's descriptor, so that it is the same socket from every working directory.
    Raises `OSError` if the folder is not there.
    """
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def bind_at(path: Path, mode: int) -> socket.socket:
    """A bound socket at `path`. Replaces one that nobody listens on any more.

    Raises `CountersignError` if something else is there, and `OSError` if nobody can bind there.
    """
    _clear(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with name_for(path) as name:
            made.bind(name)
        path.chmod(mode)  # before listen(): until then nobody can connect
    except OSError:
        made.close()
        raise
    return made


def credentials_of(sock: socket.socket | None) -> tuple[int, int, int] | None:
    """The pid, uid and gid at the other end, by the kernel's word (`SO_PEERCRED`); None if this is no UNIX socket."""
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    pid, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def _clear(path: Path) -> None:
    if not path.exists(follow_symlinks=False):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise CountersignError(f"{path}: there is something here that is not a socket; move it away")
    with name_for(path) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)  # a listener whose queue is full is one, too
        if probe.connect_ex(name) != errno.ECONNREFUSED:
            raise CountersignError(f"{path}: another Countersign is serving here; stop it first")
    path.unlink()
