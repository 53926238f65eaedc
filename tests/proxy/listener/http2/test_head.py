"""HTTP/2 fields as one request's head. tests/attacks/test_http2.py has them on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.listener.http2.head import read_stream_head

BLOCK = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.test"), (b":path", b"/")]


def test_the_same_as_in_http_1_1() -> None:
    """The authority becomes the host, and fields keep their order."""
    head = read_stream_head([*BLOCK, (b"x", b"1"), (b"host", b"a.test"), (b"y", b"")], "https", 1000, 10)
    assert (head.method, head.target, head.version) == ("GET", "/", "HTTP/2")
    assert head.fields == (("host", "a.test"), ("x", "1"), ("y", ""))


@pytest.mark.parametrize("missing", range(4))
def test_all_four(missing: int) -> None:
    """None of the pseudo-fields may be missing, come twice, or come behind a field."""
    one = BLOCK[missing]
    others = [pair for pair in BLOCK if pair is not one]
    for block in (others, [*BLOCK, one], [*others, (b"x", b"1"), one], [*BLOCK, (b":x", b"1")]):
        with pytest.raises(Refused):
            read_stream_head(block, "https", 1000, 10)


@pytest.mark.parametrize("fields", [[(b"x", b"a" * 1000)], [(b"x", b"1")] * 11])
def test_limits(fields: list[tuple[bytes, bytes]]) -> None:
    """Too many bytes and too many fields are refused as such."""
    with pytest.raises(Refused) as refused:
        read_stream_head([*BLOCK, *fields], "https", 1000, 10)
    assert refused.value.refusal.status == 431


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=4))
def test_a_head_or_a_refusal(fields: list[tuple[bytes, bytes]]) -> None:
    """Whatever the fields are, they are refused, or could be written as lines of HTTP/1.1 without a second meaning."""
    try:
        head = read_stream_head([*BLOCK, *fields], "https", 1000, 10)
    except Refused:
        return
    for name, value in head.fields:
        assert name.isascii()
        assert name == name.lower()
        assert not set(name) & set(" :\r\n\t\0")
        assert value.isprintable() or "\t" in value
        assert value == value.strip()
