"""Writing a released request."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.head import read_request_head
from proxy.listener.outgoing import Unsendable, outgoing_bytes
from proxy.stages import Destination, Injection, Request, Secret

HERE = Destination("https", "a.test", 443)


def request(
    method: str = "GET", headers: tuple[tuple[str, str], ...] = (), body: bytes = b"", query: str = ""
) -> Request:
    return Request(method, "https", "a.test", 443, "/x", query, headers, body)


def test_exactly_what_was_released() -> None:
    """Method, path, query, fields and body, with one `Host` and one length."""
    raw = outgoing_bytes(
        request("POST", (("host", "evil.test"), ("accept", "*/*"), ("content-length", "99")), b"{}", "q=1"),
        Injection(),
        HERE,
        websocket=False,
    )
    assert raw == b"POST /x?q=1 HTTP/1.1\r\nhost: a.test\r\naccept: */*\r\ncontent-length: 2\r\n\r\n{}"


def test_injected_fields_replace_the_agents() -> None:
    """There is one Authorization upstream, and it is ours, also if the pipeline has put it there already."""
    injection = Injection((("Authorization", "Bearer ours"),), (Secret("env:X", "ours"),))
    for headers in ((("authorization", "Bearer theirs"),), (("authorization", "Bearer ours"),), ()):
        head = read_request_head(outgoing_bytes(request(headers=headers), injection, HERE, websocket=False), 50)
        assert [value for name, value in head.fields if name == "authorization"] == ["Bearer ours"]
        assert ("accept-encoding", "identity") in head.fields


@pytest.mark.parametrize(
    ("method", "length"), [("POST", True), ("PUT", True), ("PATCH", True), ("GET", False), ("DELETE", False)]
)
def test_lengths(method: str, length: bool) -> None:
    """Methods that usually have a body say that they have none (RFC 9110 section 8.6)."""
    assert (b"content-length: 0" in outgoing_bytes(request(method), Injection(), HERE, websocket=False)) is length


@pytest.mark.parametrize(
    "place",
    [Destination("http", "a.test", 443), Destination("https", "b.test", 443), Destination("https", "a.test", 8443)],
)
def test_another_place(place: Destination) -> None:
    """A request that is not for this place is not written."""
    with pytest.raises(Unsendable):
        outgoing_bytes(request(), Injection(), place, websocket=False)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection", "Accept-Encoding"])
def test_a_credential_that_would_frame_the_request(name: str) -> None:
    """A kind of binding that puts its secret there sends nothing: such a request could be read in two ways."""
    with pytest.raises(Unsendable):
        outgoing_bytes(request(), Injection(((name, "5"),)), HERE, websocket=False)


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\nb", "a\rb", "a\0b", "\u00e9", "a\x7fb", "a\r\n\r\nGET / HTTP/1.1"])
def test_a_broken_secret(value: str) -> None:
    """A secret with a line break in it, a common accident, cannot smuggle a field or a request."""
    with pytest.raises(Unsendable):
        outgoing_bytes(request(), Injection((("authorization", value),)), HERE, websocket=False)


@given(
    st.text(max_size=10),
    st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=12)), max_size=4),
    st.binary(max_size=30),
)
def test_always_one_request_or_none(path: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """Whatever a bug might put into a released request, what is written is one request, or nothing."""
    upstream = Request("POST", "https", "a.test", 443, f"/{path}", "", tuple(headers), body)
    try:
        raw = outgoing_bytes(upstream, Injection(), HERE, websocket=False)
    except Unsendable:
        return
    end = raw.index(b"\r\n\r\n") + 4
    head = read_request_head(raw[:end], 50)
    assert raw[end:] == body
    assert [value for name, value in head.fields if name == "host"] == ["a.test"]
    assert [value for name, value in head.fields if name == "content-length"] == [str(len(body))]
    assert not [value for name, value in head.fields if name == "transfer-encoding"]


@pytest.mark.parametrize("path", ["/a%2Fb", "/a%2fb"])
def test_an_encoded_slash_needs_the_services_word(path: str) -> None:
    """Whatever let it through before: only a service that is said to take one gets it, and as it is."""
    given = replace(request(), path=path)
    with pytest.raises(Unsendable):
        outgoing_bytes(given, Injection(), HERE, websocket=False)
    there = replace(HERE, allow_encoded_slash=True)
    assert outgoing_bytes(given, Injection(), there, websocket=False).startswith(f"GET {path} HTTP".encode())
