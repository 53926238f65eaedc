"""What kind of place an address is. tests/attacks/test_ssrf.py has the long tables."""

import ipaddress

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


@given(st.ip_addresses(v=6))
def test_nothing_that_wraps_a_private_address_is_public(outer: ipaddress.IPv6Address) -> None:
    """Replacing the last 32 bits of any address with loopback never makes something public of a wrapping one."""
    wrapped = ipaddress.IPv6Address(int(outer) >> 32 << 32 | 0x7F000001)
    if wrapped in ipaddress.ip_network("64:ff9b::/96"):
        assert kind_of(str(wrapped)) is Kind.NEVER


@given(st.text(max_size=20))
def test_any_text_has_a_kind(text: str) -> None:
    """What is no address is never called."""
    assert kind_of(text) in Kind
