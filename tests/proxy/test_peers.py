"""Whom a peer counts as."""

import pytest

from proxy.peers import party


@pytest.mark.parametrize(
    ("peer", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9%eth0", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("unix:uid=1000", "unix:uid=1000"),
        ("no:address", "no:address"),
        ("", ""),
    ],
)
def test_an_ipv6_address_counts_as_its_site(peer: str, counts_as: str) -> None:
    """Else whoever has one address would be as many peers as it likes."""
    assert party(peer) == counts_as
