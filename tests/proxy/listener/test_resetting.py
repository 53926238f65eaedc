"""The end of a connection that nobody takes for the end of an answer. test_slow_answers.py has it with a whole call."""

import asyncio
import socket

import pytest

from proxy.listener.resetting import reset


def test_the_peer_is_told_that_this_was_no_orderly_end() -> None:
    """Its next read fails, where an end would only be empty."""

    async def run() -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        with listening, socket.create_connection(listening.getsockname()) as peer:
            ours, _ = listening.accept()
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
            reset(transport)
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(peer.recv, 1)

    asyncio.run(run())


def test_where_there_are_no_resets_it_ends_all_the_same() -> None:
    """Over a UNIX socket, and for a peer that has gone already."""

    async def run() -> None:
        ours, peer = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        reset(transport)
        reset(transport)
        assert transport.is_closing()
        with peer:
            assert await asyncio.to_thread(peer.recv, 1) == b""

    asyncio.run(run())
