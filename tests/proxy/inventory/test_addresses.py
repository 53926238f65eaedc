"""One strict reading of URLs and `host:port`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.inventory.addresses import Place, is_loopback, is_private, parse_host_port, parse_url


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("https://crm.example", Place("https", "crm.example", 443, "")),
        ("https://crm.example/", Place("https", "crm.example", 443, "")),
        ("http://127.0.0.1:9000/api/v1/", Place("http", "127.0.0.1", 9000, "/api/v1")),
        ("https://[2001:db8::1]:8443", Place("https", "2001:db8::1", 8443, "")),
        ("https://xn--bcher-kva.example", Place("https", "xn--bcher-kva.example", 443, "")),
    ],
)
def test_a_plain_url_is_taken_apart(text, place):
    """Scheme, host, port and path prefix, with the default port filled in."""
    assert parse_url(text) == place


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("crm.example", "must start with `https://`"),
        ("HTTPS://crm.example", "must start with `https://`"),
        ("ftp://crm.example", "must start with `https://`"),
        ("https://", "must be a host"),
        ("https:///x", "must be a host"),
        ("https://user:pw@crm.example", "must not hold a user name or password"),
        ("https://crm.example@evil.example/", "must not hold a user name or password"),
        ("https://crm.example?x=1", "must not hold a query"),
        ("https://crm.example/#f", "must not hold a query or fragment"),
        ("https://CRM.example", "write it in lower case"),
        ("https://bücher.example", "write international names as `xn--...`"),
        ("https://crm.example.", "is not a host name"),
        ("https://crm..example", "is not a host name"),
        ("https://crm example", "is not a host name"),
        ("https://crm.example\n", "is not a host name"),
        ("https://crm.example:99999", "the highest is 65535"),
        ("https://crm.example:x", "must be a host"),
        ("https://127.1", "not four numbers"),
        ("https://0x7f000001", "not four numbers"),
        ("https://2130706433", "not four numbers"),
        ("https://127.0.0.01", "not four numbers"),
        ("https://[::0001]", "not in its shortest"),
        ("https://[fe80::1%25eth0]", "not in its shortest"),
        ("https://crm.example/a//b", "plain path"),
        ("https://crm.example/a/../b", "plain path"),
        ("https://crm.example/a%2fb", "plain path"),
        ("https://crm.example/a;b", "plain path"),
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(text, words):
    """Anything that another reader might take for another place is refused, with words."""
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        parse_url(text)


@given(st.text(max_size=40) | st.text("htps:/@.[]0123456789abxABC%?#\\ \n", max_size=40).map("https://".__add__))
def test_any_text_is_a_place_or_a_value_error(text):
    """Never another exception; and what is accepted survives being written and read again."""
    try:
        place = parse_url(text)
    except ValueError:
        return
    host = f"[{place.host}]" if ":" in place.host else place.host
    assert parse_url(f"{place.scheme}://{host}:{place.port}{place.prefix}") == place


@pytest.mark.parametrize("text", ["", "crm.example", ":80", "crm.example:", "crm.example:0", "::1:80", "a:1:2", "a:-1"])
def test_host_port_needs_both(text):
    """A missing host or port, port 0 and bare IPv6 are refused."""
    with pytest.raises(ValueError, match=r"must be|has port|has the host"):
        parse_host_port(text)


def test_host_port_reads_names_and_both_kinds_of_address():
    """IPv6 comes in brackets and leaves without them; port 0 only where it is asked for."""
    assert parse_host_port("crm.example:443") == ("crm.example", 443)
    assert parse_host_port("[::1]:80") == ("::1", 80)
    assert parse_host_port("127.0.0.1:0", lowest_port=0) == ("127.0.0.1", 0)


def test_private_and_loopback_are_recognised_when_written_as_such():
    """Loopback is private; public addresses and names are neither."""
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost", "10.0.0.1", "a.b")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip
    assert [is_private(host) for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00::1", "8.8.8.8", "a.b")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip
