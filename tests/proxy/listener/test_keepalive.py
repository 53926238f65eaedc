"""Noticing peers that are gone without a word."""

import asyncio
import socket

from proxy.listener.keepalive import IDLE_SECONDS, keep_alive


def test_sockets_are_probed() -> None:
    """The kernel asks a silent peer whether it is still there."""

    async def run() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        keep_alive(writer.transport)
        sock = writer.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == IDLE_SECONDS
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_transports_without_a_socket() -> None:
    """Where there is no socket there is nothing to do."""
    keep_alive(asyncio.Transport())


def test_a_local_socket_has_none() -> None:
    """The kernel notices at once when a process of this machine is gone."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
            keep_alive(transport)
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
            transport.abort()

    asyncio.run(run())
