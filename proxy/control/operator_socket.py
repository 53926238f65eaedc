"""The local operator's way in: a UNIX socket that only the user who runs Countersign can open.

Three things must each fail before somebody else gets through: the folder is 0700, the socket is 0600,
and the kernel's word on the peer's user (`SO_PEERCRED`, unix(7)) is checked on every connection.
"""

import os
import socket
import stat
from asyncio import Transport
from pathlib import Path

from uvicorn.protocols.http.h11_impl import H11Protocol

from proxy.control.guard import PEER, Peer
from proxy.errors import CountersignError
from proxy.unix_sockets import bind_at, credentials_of


def bind_operator_socket(path: Path) -> socket.socket:
    """A bound socket at `path`, for nobody but us. Replaces a socket that no one listens on any more."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.stat()
    if folder.st_uid != os.getuid() or stat.S_IMODE(folder.st_mode) & 0o077:
        raise CountersignError(f"{path.parent}: this folder must be yours and closed to others: chmod 700 it")
    try:
        return bind_at(path, 0o600)
    except OSError as error:
        raise CountersignError(f"{path}: cannot open the operator's socket: {error.strerror or error}") from error


class OperatorProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which notes the kernel's word on who is at the other end.

    Every connection of the operator's socket gets a `Peer`, or one that matches nobody: without the
    kernel's word it is uid -1, which `peer_of` refuses.
    """

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self.app_state = {**self.app_state, PEER: _peer(transport)}


def _peer(transport: Transport) -> Peer:
    pid, uid, _ = credentials_of(transport.get_extra_info("socket")) or (0, -1, 0)
    return Peer(uid=uid, pid=pid)
