"""Reading an agent's bytes, however they are cut into pieces."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.listener.agent_reader import MAX_AHEAD, AgentReader, End
from proxy.listener.canonical import Incoming, Place
from proxy.listener.options import ListenerOptions

OPTIONS = ListenerOptions(ca_directory=Path("x"), max_body_bytes=1000, max_header_bytes=2000)
POST = b"POST /x HTTP/1.1\r\nHost: a.test\r\n"


def reader() -> AgentReader:
    return AgentReader(Place("connect", "https", "a.test", 443), "peer", OPTIONS)


def read(pieces: list[bytes]) -> list[str | bytes]:
    """What comes out: methods, whole bodies, and the status of a refusal."""
    this, out, body = reader(), [], b""
    try:
        for piece in pieces:
            this.feed(piece)
            while (item := this.next_item()) is not None:
                if isinstance(item, Incoming):
                    out.append(item.draft.method)
                elif item is End.MESSAGE:
                    out.append(body)
                    body = b""
                    this.next_request()
                else:
                    body += item
    except Refused as refused:
        out.append(str(refused.refusal.status))
    return out  # type: ignore[return-value]  # of both kinds


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


@given(st.lists(st.tuples(st.binary(max_size=200), st.booleans()), min_size=1, max_size=3), st.data())
@settings(max_examples=60)
def test_pieces_make_no_difference(requests: list[tuple[bytes, bool]], data: st.DataObject) -> None:
    """Any sequence of requests is read the same however the network cuts it."""
    stream = b"".join(
        chunked(body, 7) if in_chunks else POST + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        for body, in_chunks in requests
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    expected = [item for body, _ in requests for item in ("POST", body)]
    assert read(pieces) == expected == read([stream])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """There is no third outcome, byte by byte or at once."""
    assert read([raw])[:1] == read([raw[at : at + 1] for at in range(len(raw))])[:1]


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (POST + b"Content-Length: 1001\r\n\r\n", "413"),
        (chunked(b"x" * 1001, 100), "413"),
        (POST + b"X: " + b"a" * 2000, "431"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\n", "400"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400"),
    ],
)
def test_limits(raw: bytes, status: str) -> None:
    """What is too large, or cannot be framed, is refused."""
    assert read([raw])[-1] == status


def test_nobody_sends_far_ahead() -> None:
    """While a request is being answered, a little may be sent ahead, but not without bound."""
    this = reader()
    this.feed(POST + b"Content-Length: 0\r\n\r\n")
    assert isinstance(this.next_item(), Incoming)
    assert this.next_item() is End.MESSAGE
    this.feed(b"x" * MAX_AHEAD)
    assert this.next_item() is None
    with pytest.raises(Refused):
        this.feed(b"x")


def test_rest_takes_what_was_not_read() -> None:
    """What follows a CONNECT belongs to the tunnel."""
    this = AgentReader(Place("forward"), "peer", OPTIONS)
    this.feed(b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n\x16\x03\x01")
    assert isinstance(this.next_item(), Incoming)
    assert this.next_item() is End.MESSAGE
    assert (this.rest(), this.rest()) == (b"\x16\x03\x01", b"")


def test_begun_and_complete() -> None:
    """The reader knows whether somebody is in the middle of a request."""
    this = reader()
    assert (this.begun, this.complete) == (False, False)
    this.feed(b"POST")
    assert this.begun
    this.feed(POST[4:] + b"Content-Length: 1\r\n\r\n")
    this.next_item()
    assert this.begun
    this.feed(b"x")
    assert this.next_item() == b"x"
    assert this.next_item() is End.MESSAGE
    assert (this.begun, this.complete) == (False, True)
