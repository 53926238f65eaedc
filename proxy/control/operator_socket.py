"""The local operator's way in: a UNIX socket that only the user who runs Countersign can open.

Three things must each fail before somebody else gets through: the folder is 0700, the socket is 0600,
and the kernel's word on the peer's user (`SO_PEERCRED`, unix(7)) is checked on every connection.
"""

import os
import socket
import stat
import struct
from asyncio import Transport
from pathlib import Path

from uvicorn.protocols.http.h11_impl import H11Protocol

from proxy.control.guard import PEER, Peer
from proxy.errors import CountersignError

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def bind_operator_socket(path: Path) -> socket.socket:
    """A bound socket at `path`, for nobody but us. Replaces a socket that no one listens on any more."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    if folder.st_uid != os.getuid() or stat.S_IMODE(folder.st_mode) & 0o077:
        raise CountersignError(f"{path.parent}: this folder must be yours and closed to others: chmod 700 it")
    _clear(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
        path.chmod(0o600)  # before listen(): until then nobody can connect
    except OSError as error:
        made.close()
        raise CountersignError(f"{path}: cannot open the operator's socket: {error.strerror}") from error
    return made


def _clear(path: Path) -> None:
    if not path.exists(follow_symlinks=False):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise CountersignError(f"{path}: there is something here that is not a socket; move it away")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise CountersignError(f"{path}: another Countersign is serving here; stop it first")
    path.unlink()


class OperatorProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which notes the kernel's word on who is at the other end.

    Every connection of the operator's socket gets a `Peer`, or one that matches nobody: without the
    kernel's word it is uid -1, which `peer_of` refuses.
    """

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, PEER: _peer(transport)}


def _peer(transport: Transport) -> Peer:
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return Peer(uid=-1, pid=0)
    pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(uid=uid, pid=pid)
