"""What kind of place an IP address is, whatever other address is wrapped in it."""

import ipaddress
from enum import StrEnum

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Kind(StrEnum):
    """`PUBLIC` may always be called, `PRIVATE` if the service says so, `NEVER` never."""

    PUBLIC = "public"
    PRIVATE = "private"
    NEVER = "never"


# Credentials of the machine itself are given out here; no agent has business there.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "100.100.100.200",
                 "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254")
)  # fmt: skip
_LOOPBACK_6 = ipaddress.IPv6Address("::1")
_CARRIER = ipaddress.ip_network("100.64.0.0/10")
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
_TRANSLATED = ipaddress.ip_network("::ffff:0:0:0/96")
_SITE_LOCAL = ipaddress.ip_network("fec0::/10")
_ISATAP = (0x00005EFE, 0x02005EFE)


def kind_of(text: str) -> Kind:
    """The kind of this literal address; anything that is not a plain address is NEVER."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Kind.NEVER
    if isinstance(address, ipaddress.IPv6Address):
        return _kind_of_6(address)
    return _kind_of_4(address)


def _kind_of_4(address: ipaddress.IPv4Address) -> Kind:
    if address in _METADATA or address in _THIS_NETWORK or address.is_multicast:
        return Kind.NEVER
    if address.is_reserved:  # 240.0.0.0/4, and with it the broadcast address
        return Kind.NEVER
    if address.is_private or address in _CARRIER:
        return Kind.PRIVATE
    return Kind.PUBLIC if address.is_global else Kind.NEVER


def _kind_of_6(address: ipaddress.IPv6Address) -> Kind:
    if address == _LOOPBACK_6:  # `is_loopback` is also true of wrapped addresses
        return Kind.PRIVATE
    if address in _METADATA or address.scope_id or address.is_multicast or address.is_unspecified:
        return Kind.NEVER
    if address in _NAT64:  # the one wrapping that ordinary networks depend on; judged by what is inside
        return Kind.PUBLIC if _kind_of_4(_last_32_bits(address)) is Kind.PUBLIC else Kind.NEVER
    if _wraps(address) or address in _SITE_LOCAL:
        return Kind.NEVER
    if address.is_link_local or address.is_private:
        return Kind.PRIVATE
    return Kind.PUBLIC if address.is_global and not address.is_reserved else Kind.NEVER


def _wraps(address: ipaddress.IPv6Address) -> bool:
    """IPv4-mapped, -compatible and -translated, 6to4, Teredo, local NAT64, ISATAP: a second address inside."""
    return (
        address.ipv4_mapped is not None
        or address.sixtofour is not None
        or address.teredo is not None
        or address in _COMPATIBLE
        or address in _TRANSLATED
        or address in _LOCAL_NAT64
        or (int(address) >> 32 & 0xFFFFFFFF) in _ISATAP
    )


def _last_32_bits(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
