"""What kind of place an address is. tests/attacks/test_ssrf.py has the long tables."""

import ipaddress
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.addresses import Kind, kind_of


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", Kind.PUBLIC),
        ("127.0.0.1", Kind.PRIVATE),
        ("::1", Kind.PRIVATE),
        ("10.0.0.1", Kind.PRIVATE),
        ("100.64.0.1", Kind.PRIVATE),
        ("169.254.1.1", Kind.PRIVATE),
        ("fd00::1", Kind.PRIVATE),
        ("fe80::1", Kind.PRIVATE),
        ("169.254.169.254", Kind.NEVER),
        ("0.0.0.0", Kind.NEVER),
        ("0.1.2.3", Kind.NEVER),
        ("255.255.255.255", Kind.NEVER),
        ("224.0.0.1", Kind.NEVER),
        ("::ffff:127.0.0.1", Kind.NEVER),
        ("::ffff:8.8.8.8", Kind.NEVER),
        ("64:ff9b::808:808", Kind.PUBLIC),
        ("64:ff9b::a00:1", Kind.NEVER),
        ("not an address", Kind.NEVER),
    ],
)
def test_kinds(address: str, kind: Kind) -> None:
    """The three kinds, each way in which an address can come by its kind."""
    assert kind_of(address) is kind


# Ways to write an IPv4 address into one of IPv6 that could be of anybody.
WRAPPED: dict[str, Callable[[int], int]] = {
    "mapped": lambda inner: 0xFFFF << 32 | inner,
    "compatible": lambda inner: inner,
    "translated": lambda inner: 0xFFFF << 48 | inner,
    "NAT64": lambda inner: 0x64FF9B << 96 | inner,
    "local NAT64": lambda inner: 0x64FF9B0001 << 80 | inner,
    "6to4": lambda inner: 0x2002 << 112 | inner << 80 | 1,
    "Teredo": lambda inner: 0x20010000 << 96 | inner ^ 0xFFFFFFFF,
    "ISATAP": lambda inner: 0x2A0014504001 << 80 | 0x5EFE << 32 | inner,
    "ISATAP, of a global one": lambda inner: 0x2A0014504001 << 80 | 0x02005EFE << 32 | inner,
}
INSIDE = [st.ip_addresses(network=one) for one in ("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16")]


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
@given(inner=st.one_of(INSIDE))
def test_nothing_that_wraps_a_private_address_is_public(
    wrap: Callable[[int], int], inner: ipaddress.IPv4Address
) -> None:
    """However it is wrapped, it is never called, but as itself: loopback as `::1` is none of these."""
    wrapped = ipaddress.IPv6Address(wrap(int(inner)))
    assert kind_of(str(wrapped)) is Kind.NEVER


@given(st.text(max_size=20))
def test_any_text_has_a_kind(text: str) -> None:
    """What is no address is never called."""
    assert kind_of(text) in Kind
