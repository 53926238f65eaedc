"""Whom the other end of a socket counts as, where many share something and none may take it all."""

import ipaddress

_SITE = 64  # whoever has one IPv6 address has all with the same first half (RFC 6177)


def party(peer: str) -> str:
    """Whom this peer counts as: an IPv6 address as its whole site, all else as itself."""
    address = peer.partition("%")[0]
    if ":" not in address or address.startswith("unix:"):
        return peer
    try:
        found = ipaddress.IPv6Address(address)
    except ValueError:
        return peer
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), _SITE), strict=False))
