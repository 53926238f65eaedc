"""Ends an agent's connection so that nobody takes it for the end of an answer."""

import asyncio
import contextlib
import socket
import struct

_NO_LINGERING = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Closes with a reset, where there is such a thing: in HTTP/1.0 an orderly end says that the answer is whole."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        with contextlib.suppress(OSError):  # the agent is gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
    transport.abort()
