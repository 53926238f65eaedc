"""Reading heads strictly."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.listener.head import UpstreamFault, hopeless, read_request_head, read_response_head, well_formed_request

TOKEN = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=12)
VALUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20)


@given(TOKEN, st.lists(st.tuples(TOKEN, VALUE), max_size=8))
def test_well_formed_heads_are_read_as_they_stand(method: str, fields: list[tuple[str, str]]) -> None:
    """Every well-formed head is read, with names in lower case and nothing lost, added or reordered."""
    raw = f"{method} /x HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
    head = read_request_head(raw.encode(), 200)
    assert (head.method, head.target, head.version) == (method, "/x", "HTTP/1.1")
    assert list(head.fields) == [(name.lower(), value) for name, value in fields]


@given(st.binary(max_size=80))
@example(b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n")
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """There is no third outcome for a request."""
    with contextlib.suppress(Refused):
        read_request_head(raw, 200)


@given(st.binary(max_size=80))
@example(b"HTTP/1.1 200 OK\r\nA: b\nc\r\n\r\n")
def test_any_bytes_of_an_upstream_are_read_or_a_fault(raw: bytes) -> None:
    """There is no third outcome for a response."""
    with contextlib.suppress(UpstreamFault):
        read_response_head(raw, 200)


@given(st.binary(max_size=60), st.sampled_from([b"\r", b"\n", b"\0", b"\x7f", b"\x80", b"\r\n "]), st.integers(0, 59))
def test_no_head_with_a_stray_byte_is_read(value: bytes, stray: bytes, at: int) -> None:
    """One control byte anywhere in a value makes the whole head unreadable."""
    spoilt = value[:at] + stray + value[at:]
    if b"\r\n" in spoilt.replace(b"\r\n ", b""):
        return
    with pytest.raises(Refused):
        read_request_head(b"GET / HTTP/1.1\r\nX: a" + spoilt + b"b\r\n\r\n", 200)


def test_reason_phrases_are_optional() -> None:
    """A response may come without a reason, and with one in latin-1."""
    assert read_response_head(b"HTTP/1.1 200\r\n\r\n", 5).reason == ""
    assert read_response_head(b"HTTP/1.0 404 N\xe4 da\r\n\r\n", 5).reason == "N\xe4 da"


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/11", "http/1.1"])
def test_no_other_version_is_spoken(version: str) -> None:
    """What another version would mean by the same bytes is not guessed."""
    raw = f"GET / {version}\r\nHost: a\r\n\r\n".encode()
    if version in {"HTTP/1.1", "HTTP/1.0"}:
        assert read_request_head(raw, 5).version == version
    else:
        with pytest.raises(Refused):
            read_request_head(raw, 5)


def test_counts_are_limited() -> None:
    """Too many fields are refused in both directions."""
    fields = b"A: 1\r\n" * 6 + b"\r\n"
    with pytest.raises(Refused):
        read_request_head(b"GET / HTTP/1.1\r\n" + fields, 5)
    with pytest.raises(UpstreamFault):
        read_response_head(b"HTTP/1.1 200 OK\r\n" + fields, 5)


@pytest.mark.parametrize("raw", [b"\x16\x03", b"\r\n", b"get", b" GET", b"GET / HTTP/1.1\nHost", b"G\0"])
def test_hopeless_beginnings(raw: bytes) -> None:
    """Nothing that follows can make a request of these, so nobody waits for it."""
    assert hopeless(raw)


def test_hopeful_beginnings() -> None:
    """The beginning of a request is waited for."""
    assert not hopeless(b"GET / HTTP/1.1\r\nHo")


def test_what_we_write_is_held_to_the_same_rules() -> None:
    """A head of our own with a line break in a value is not well-formed."""
    assert well_formed_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert not well_formed_request(b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n")
