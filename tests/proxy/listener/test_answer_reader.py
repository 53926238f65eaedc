"""Reading an upstream's bytes, however they are cut into pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.listener.agent_reader import End
from proxy.listener.answer_reader import AnswerReader
from proxy.listener.head import ResponseHead, UpstreamFault


def reader(method: str = "GET", *, websocket: bool = False) -> AnswerReader:
    return AnswerReader(method, websocket=websocket, max_bytes=2000, max_count=50)


def read(this: AnswerReader, pieces: list[bytes], *, close: bool = False) -> tuple[int, bytes, str]:
    """(status, body, how it ended)."""
    status, body = 0, b""
    try:
        for piece in pieces:
            this.feed(piece)
            while (item := this.next_item()) is not None:
                if isinstance(item, ResponseHead):
                    status = item.status
                elif item is End.MESSAGE:
                    return status, body, "end"
                else:
                    assert isinstance(item, bytes)
                    body += item
        if close:
            this.closed()
            return status, body, "closed"
    except UpstreamFault:
        return status, body, "fault"
    return status, body, "more"


@given(st.binary(max_size=300), st.sampled_from(["length", "chunked", "closed"]), st.data())
@settings(max_examples=80)
def test_pieces_make_no_difference(body: bytes, framing: str, data: st.DataObject) -> None:
    """An answer is read the same however the network cuts it, in all three framings."""
    raw = b"HTTP/1.1 200 OK\r\n"
    if framing == "length":
        raw += b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    elif framing == "chunked":
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        raw += b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\nTrailer: dropped\r\n\r\n"
    else:
        raw += b"\r\n" + body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    this = reader()
    assert read(this, pieces, close=True) == (200, body, "closed" if framing == "closed" else "end")
    assert this.reusable is (framing != "closed")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_a_fault(raw: bytes) -> None:
    """There is no third outcome."""
    read(reader(), [raw], close=True)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \u00b2\r\n\r\n".encode("latin-1"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 33,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2000,
        b"HTTP/2 200\r\n\r\n",
    ],
)
def test_faults(raw: bytes) -> None:
    """What can be read in two ways, or was not asked for, is a fault."""
    assert read(reader(), [raw])[2] == "fault"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_answers_that_have_no_body(method: str) -> None:
    """A HEAD's answer has no body, whatever its length says; neither have 204 and 304."""
    raw = b"HTTP/1.1 %s x\r\nContent-Length: 5\r\n\r\n" % (b"200" if method == "HEAD" else b"304")
    assert read(reader(method), [raw])[2] == "end"


def test_websocket_switch() -> None:
    """A 101 that was asked for ends the HTTP part; what follows is left alone."""
    this = reader(websocket=True)
    this.feed(b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n\x81\x01x")
    head = this.next_item()
    assert isinstance(head, ResponseHead)
    assert this.rest() == b"\x81\x01x"


def test_bytes_behind_an_answer_spoil_the_connection() -> None:
    """What nobody asked for cannot become the answer to the next request."""
    this = reader()
    assert read(this, [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n"])[2] == "end"
    assert not this.reusable


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"])
def test_an_early_end(raw: bytes) -> None:
    """A connection that closes before the answer is complete is a fault."""
    assert read(reader(), [raw], close=True)[2] == "fault"


def test_a_body_without_a_length_ends_with_an_orderly_close_only() -> None:
    """One that broke off is half an answer."""
    for broken in (False, True):
        this = AnswerReader("GET", websocket=False, max_bytes=1000, max_count=10)
        this.feed(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        assert isinstance(this.next_item(), ResponseHead)
        if broken:
            with pytest.raises(UpstreamFault, match="in the middle"):
                this.closed(broken=True)
        else:
            assert this.closed() is End.MESSAGE
