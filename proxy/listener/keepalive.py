"""Has the kernel notice peers that are gone without a word, so that a silent stream does not stay for ever."""

import asyncio
import socket

IDLE_SECONDS = 60
PROBE_SECONDS = 15
PROBES = 4


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Turns on TCP keep-alive where the platform lets us say how often."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", IDLE_SECONDS), ("TCP_KEEPINTVL", PROBE_SECONDS), ("TCP_KEEPCNT", PROBES)):
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
