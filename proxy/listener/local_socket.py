"""The way in for processes of this machine: a UNIX socket, at which the kernel says whose process it is."""

import asyncio
import os
import socket
import stat
from pathlib import Path

from proxy.errors import CountersignError
from proxy.stages import LocalPeer
from proxy.unix_sockets import bind_at, credentials_of

# Whoever may enter the folder may connect: each must still prove to be an agent, and the kernel names it.
MODE = 0o666
FOLDER_MODE = 0o711


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
    try:
        return bind_at(path, MODE)
    except OSError as error:
        raise _wrong(path, error) from error


def local_peer(transport: asyncio.BaseTransport) -> LocalPeer | None:
    """Whose process connected, by the kernel's word (`SO_PEERCRED`); None if this is no UNIX socket."""
    found = credentials_of(transport.get_extra_info("socket"))
    if found is None:
        return None
    pid, uid, gid = found
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


def _wrong(path: Path, error: OSError | RuntimeError) -> CountersignError:
    return CountersignError(
        f"{path}: cannot listen here: {getattr(error, 'strerror', None) or error}; see `listen.local`"
    )
