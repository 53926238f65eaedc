"""From a head to the one request that it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.listener.canonical import Incoming, Place, canonical
from proxy.listener.head import RequestHead

TUNNEL = Place("connect", "https", "a.test", 443)
PROXY = Place("forward")
GATEWAY = Place("gateway")


def read(
    *fields: tuple[str, str], place: Place = TUNNEL, method: str = "GET", target: str = "/", **more: str
) -> Incoming:
    host = () if any(name == "host" for name, _ in fields) else (("host", "a.test"),)
    return canonical(RequestHead(method, target, more.get("version", "HTTP/1.1"), (*host, *fields)), place, "peer")


def test_the_connection_says_where_to() -> None:
    """Inside a tunnel, the place is the tunnel's, and `Host` is written by us."""
    incoming = read(("accept", "*/*"))
    assert incoming.draft.headers == (("host", "a.test"), ("accept", "*/*"))
    assert (incoming.draft.scheme, incoming.draft.host, incoming.draft.port) == ("https", "a.test", 443)
    assert incoming.evidence is None


def test_host_may_name_the_default_port() -> None:
    """`a.test:443` is `a.test` over TLS, and is sent as the one of the two that everybody expects."""
    assert read(("host", "A.test:443")).draft.headers == (("host", "a.test"),)


def test_a_proxy_request_names_its_place() -> None:
    """The absolute target is the place; the upstream gets the path."""
    incoming = read(("host", "b.test:8080"), place=PROXY, target="http://b.test:8080/x?y")
    assert (incoming.draft.authority, incoming.draft.path, incoming.draft.query) == ("b.test:8080", "/x", "y")
    assert incoming.evidence is not None


@pytest.mark.parametrize(("target", "path", "query"), [("http://a.test", "/", ""), ("http://a.test?x", "/", "x")])
def test_a_proxy_target_without_a_path(target: str, path: str, query: str) -> None:
    """RFC 9112 section 3.2.1: an empty path is `/`."""
    incoming = read(place=PROXY, target=target)
    assert (incoming.draft.path, incoming.draft.query) == (path, query)


def test_a_body_is_part_of_the_request() -> None:
    """The request that is judged holds the body that was sent."""
    incoming = read(("content-length", "2"), method="POST")
    assert incoming.request(b"hi").body == b"hi"
    assert incoming.request(b"") is incoming.draft
    assert all(name != "content-length" for name, _ in incoming.draft.headers)


@pytest.mark.parametrize(
    ("fields", "version", "close"),
    [
        ((), "HTTP/1.1", False),
        ((("connection", "close"),), "HTTP/1.1", True),
        ((("connection", "Keep-Alive, Close"),), "HTTP/1.1", True),
        ((), "HTTP/1.0", True),
        ((("connection", "keep-alive"),), "HTTP/1.0", False),
    ],
)
def test_when_the_connection_ends(fields: tuple[tuple[str, str], ...], version: str, close: bool) -> None:
    """The agent decides whether its connection goes on, by the rules of its HTTP version."""
    assert read(*fields, version=version).close is close


def test_websocket() -> None:
    """A WebSocket is recognised, its upgrade is part of the request, and extensions are not offered."""
    fields = (
        ("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket"), ("sec-websocket-version", "13"),
        ("sec-websocket-key", "k"), ("sec-websocket-extensions", "permessage-deflate"),
    )  # fmt: skip
    incoming = read(*fields)
    assert incoming.websocket
    assert dict(incoming.draft.headers) == {
        "host": "a.test", "sec-websocket-version": "13", "sec-websocket-key": "k", "upgrade": "websocket",
    }  # fmt: skip


@pytest.mark.parametrize(("length", "expects"), [("5", True), ("0", False)])
def test_expect_continue(length: str, expects: bool) -> None:
    """Only a request that has a body waits for 100 Continue."""
    assert read(("content-length", length), ("expect", "100-Continue"), method="POST").expects_continue is expects


def test_tunnel_request() -> None:
    """CONNECT names the place of a tunnel and brings the evidence."""
    incoming = read(
        ("host", "a.test:443"), ("proxy-authorization", "Bearer t"), place=PROXY, method="CONNECT", target="a.test:443"
    )
    assert incoming.is_tunnel
    assert (incoming.draft.host, incoming.draft.port) == ("a.test", 443)
    assert incoming.evidence is not None
    assert incoming.evidence.credentials == (("bearer", "t"),)


NAMES = (
    "host content-length transfer-encoding connection upgrade expect x_api_key accept proxy-authorization "
    "authorization x-api-key te trailer cookie x-forwarded-for"
)
VALUES = ("", "a.test", "b.test", "0", "5", "chunked", "close", "websocket", "100-continue", "Bearer t", "x")
FIELD = st.tuples(st.sampled_from(NAMES.split()), st.sampled_from(VALUES))


@given(
    st.lists(FIELD, max_size=6),
    st.sampled_from([TUNNEL, PROXY, GATEWAY]),
    st.sampled_from(["GET", "POST", "CONNECT", "TRACE", "get"]),
    st.sampled_from(["/", "/svc/x", "http://a.test/", "http://b.test/", "a.test:443", "*", "//", "/svc/../x"]),
)
def test_any_head_becomes_one_request_or_a_refusal(
    fields: list[tuple[str, str]], place: Place, method: str, target: str
) -> None:
    """Whatever is accepted has one host, the place's, and nothing that belongs to this hop or shows who is calling."""
    try:
        incoming = canonical(RequestHead(method, target, "HTTP/1.1", tuple(fields)), place, "p")
    except Refused:
        return
    names = [name for name, _ in incoming.draft.headers]
    if incoming.is_tunnel:
        assert (place, target, names) == (PROXY, "a.test:443", [])
        return
    assert [value for name, value in incoming.draft.headers if name == "host"] == [incoming.draft.authority]
    gone = {
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "expect",
        "proxy-authorization",
        "x-forwarded-for",
    }
    assert not gone & set(names)
    if place is TUNNEL:
        assert incoming.draft.host == "a.test"
    if place is GATEWAY:
        assert not {"authorization", "x-api-key"} & set(names)
