"""What an accepted socket says by itself of who is at its other end."""

import asyncio
from dataclasses import dataclass

from proxy.listener.evidence import CERTIFICATES, SocketEvidence
from proxy.listener.local_socket import local_peer

type Endpoint = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Accepted:
    """`peer` is an address, or `unix:uid=N` for a process of this machine: the name that records have."""

    peer: Endpoint
    own: Endpoint
    evidence: SocketEvidence


def accepted(transport: asyncio.BaseTransport) -> Accepted | None:
    """None if there is nobody any more."""
    certificates = transport.get_extra_info(CERTIFICATES, tuple)
    local = local_peer(transport)
    if local is not None:
        evidence = SocketEvidence(local, certificates)
        return Accepted((f"unix:uid={local.uid}", 0), (str(transport.get_extra_info("sockname")), 0), evidence)
    peer = transport.get_extra_info("peername")
    if not peer:
        return None
    own = transport.get_extra_info("sockname")
    return Accepted((str(peer[0]), peer[1]), (str(own[0]), own[1]), SocketEvidence(None, certificates))
