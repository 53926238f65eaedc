"""What goes back to the agent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.answer import opening, own_reply
from proxy.listener.head import ResponseHead, UpstreamFault, read_response_head
from proxy.stages import Reply


def head(*fields: tuple[str, str], status: int = 200) -> ResponseHead:
    return ResponseHead("HTTP/1.1", status, "OK", fields)


@pytest.mark.parametrize(
    ("fields", "method", "version", "close", "chunked", "ends"),
    [
        ((("content-length", "5"),), "GET", "HTTP/1.1", False, False, False),
        ((("transfer-encoding", "chunked"),), "GET", "HTTP/1.1", False, True, False),
        ((), "GET", "HTTP/1.1", False, True, False),
        ((("transfer-encoding", "chunked"),), "GET", "HTTP/1.0", False, False, True),
        ((), "HEAD", "HTTP/1.1", False, False, False),
        ((("content-length", "5"),), "GET", "HTTP/1.1", True, False, True),
    ],
)
def test_framing(
    fields: tuple[tuple[str, str], ...], method: str, version: str, close: bool, chunked: bool, ends: bool
) -> None:
    """The body's end can be seen by every agent, and the connection ends only where it must."""
    start = opening(head(*fields), method=method, version=version, close=close)
    assert (start.chunked, start.close) == (chunked, ends)
    assert (b"connection: close" in start.raw) is ends


def test_fields_that_stay_behind() -> None:
    """Hop-by-hop fields, those that `Connection` names, sessions, and those that only we may send."""
    names = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "trailer",
        "upgrade",
        "alt-svc",
        "countersign-call",
        "approval-status",
        "set-cookie",
        "x-named",
    ]
    fields = [(name, "x-named" if name == "connection" else "1") for name in names]
    raw = opening(head(*fields, ("x-kept", "1")), method="GET", version="HTTP/1.1", close=False).raw
    assert raw == b"HTTP/1.1 200 OK\r\nx-kept: 1\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "fields",
    [(), (("upgrade", "foo"),), (("upgrade", "websocket"), ("sec-websocket-extensions", "permessage-deflate"))],
)
def test_only_plain_websocket_is_switched_to(fields: tuple[tuple[str, str], ...]) -> None:
    """A 101 to anything else is a fault."""
    with pytest.raises(UpstreamFault):
        opening(head(*fields, status=101), method="GET", version="HTTP/1.1", close=False)


@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.text("abc-\r\n: ", min_size=1, max_size=6), st.text(max_size=10)), max_size=4),
    st.binary(max_size=20),
)
def test_our_own_replies_are_one_response(status: int, fields: list[tuple[str, str]], body: bytes) -> None:
    """Whatever the gate puts into a reply, its values cannot break out of their line."""
    fields = [("x-" + name.strip("\r\n: "), value) for name, value in fields]
    raw = own_reply(Reply(status, tuple(fields), body), method="GET", version="HTTP/1.1", close=False)
    end = raw.index(b"\r\n\r\n") + 4
    lines = raw[: end - 4].split(b"\r\n")
    bodiless = status in {204, 304}
    assert len(lines) == 1 + len(fields) + (not bodiless)
    assert raw[end:] == (b"" if bodiless else body)


def test_replies_follow_the_method_and_the_version() -> None:
    """A HEAD's reply has a length and no body; HTTP/1.0 is told when the connection goes on."""
    reply = Reply(403, (("content-type", "text/plain"),), b"no")
    raw = own_reply(reply, method="HEAD", version="HTTP/1.0", close=False)
    assert raw.endswith(b"content-length: 2\r\nconnection: keep-alive\r\n\r\n")
    assert read_response_head(raw, 10).reason == "Forbidden"
