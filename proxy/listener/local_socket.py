"""The way in for processes of this machine: a UNIX socket, at which the kernel says whose process it is."""

import asyncio
import errno
import os
import socket
import stat
import struct
from pathlib import Path

from proxy.errors import CountersignError
from proxy.stages import LocalPeer

# Whoever may enter the folder may connect: each must still prove to be an agent, and the kernel names it.
MODE = 0o666
FOLDER_MODE = 0o711
LONGEST = 100  # sockaddr_un has 108 bytes (unix(7))

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def bind_local(path: Path) -> socket.socket:
    """A bound socket at `path` that every user may connect to. Replaces one that nobody listens on any more.

    Raises `CountersignError` where somebody else could put a socket of theirs in its place, to be taken for us.
    """
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        open_to_others = _open_to_others(path.parent)
    except (OSError, RuntimeError) as error:  # the latter for links that lead in a circle
        raise _wrong(path.parent, error) from error
    if open_to_others is not None:
        raise CountersignError(
            f"{open_to_others}: only you may write to the folder of `listen.local` and those above: chmod go-w it"
        )
    _clear(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
        path.chmod(MODE)  # before listen(): until then nobody can connect
    except OSError as error:
        made.close()
        raise _wrong(path, error) from error
    return made


def local_peer(transport: asyncio.BaseTransport) -> LocalPeer | None:
    """Whose process connected, by the kernel's word (`SO_PEERCRED`); None if this is no UNIX socket."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    pid, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return LocalPeer(uid, gid, pid)


def _open_to_others(folder: Path) -> Path | None:
    """The first folder, or link, on the way there by which somebody else could make it lead elsewhere."""
    ours, real = {0, os.geteuid()}, folder.resolve(strict=True)
    for step in dict.fromkeys([real, *real.parents, folder.absolute(), *folder.absolute().parents]):
        status = step.lstat()
        # In a sticky folder, as /tmp, others may write, and move nothing that is ours.
        sticky = step != real and status.st_mode & stat.S_ISVTX
        writable = not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o022 and not sticky
        if status.st_uid not in ours or writable:
            return step
    return None


def _clear(path: Path) -> None:
    if not path.exists(follow_symlinks=False):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise CountersignError(f"{path}: there is something here that is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)  # a listener whose queue is full is one, too
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise CountersignError(f"{path}: another Countersign is serving here; stop it first")
    path.unlink()


def _wrong(path: Path, error: OSError | RuntimeError) -> CountersignError:
    return CountersignError(
        f"{path}: cannot listen here: {getattr(error, 'strerror', None) or error}; see `listen.local`"
    )
