"""What an accepted socket says by itself; test_outer.py and test_local_socket.py have real ones."""

import asyncio
import os
import socket

from proxy.listener.accepted import accepted
from proxy.listener.evidence import CERTIFICATES


class Transport(asyncio.BaseTransport):
    """A transport that knows what it is given."""

    def __init__(self, **known: object) -> None:
        super().__init__(known)


def test_over_tcp() -> None:
    """The peer is its address, and without TLS there are no certificates."""
    made = accepted(Transport(peername=("::1", 5, 0, 0), sockname=("::1", 8080, 0, 0)))
    assert made is not None
    assert (made.peer, made.own) == (("::1", 5), ("::1", 8080))
    assert (made.evidence.local, made.evidence.certificates()) == (None, ())


def test_in_tls() -> None:
    """Certificates are asked for late, since the handshake comes later."""
    shown: list[bytes] = []
    info = {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 1), CERTIFICATES: lambda: tuple(shown)}
    made = accepted(Transport(**info))
    assert made is not None
    assert made.evidence.certificates() == ()
    shown.append(b"der")
    assert made.evidence.certificates() == (b"der",)


def test_a_local_process() -> None:
    """The peer is the user, by the kernel's word."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made = accepted(Transport(socket=ours, sockname="/run/proxy.sock"))
        assert made is not None
        assert made.peer == (f"unix:uid={os.geteuid()}", 0)
        assert made.evidence.local is not None
        assert made.evidence.local.pid == os.getpid()


def test_who_is_gone_again() -> None:
    """A peer that left before it was accepted has no name."""
    assert accepted(Transport(peername=None)) is None
