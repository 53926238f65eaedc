"""MCP headers must say what the body says."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.inbound import decode_header_value, encode_header_value

from policies.model import Json
from proxy.protocols.mcp_headers import decoded
from proxy.stages import Request
from tests.fakes.wire_calls import STATELESS, call, posted, refusal, rpc, stateless, with_header


def sentinel(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def searching(arguments: dict[str, Json]) -> Request:
    return stateless("tools/call", {"name": "search", "arguments": arguments}, "search")


NEW = searching({"query": "x"})
OLD = posted(rpc("tools/call", {"name": "search", "arguments": {"query": "x"}}))

AGREE: dict[str, Request] = {
    "all that is required": NEW,
    "name in base64": with_header(NEW, "mcp-name", sentinel("search")),
    "older, without headers": OLD,
    "older, with a version": with_header(OLD, "mcp-protocol-version", "2025-06-18"),
    "older, with headers that agree": with_header(with_header(OLD, "mcp-method", "tools/call"), "mcp-name", "search"),
    "marked argument in its header": with_header(searching({"region": "eu"}), "mcp-param-region", "eu"),
    "marked argument in base64": with_header(searching({"region": "\u00e9"}), "mcp-param-region", sentinel("\u00e9")),
    "older, marked argument without header": posted(
        rpc("tools/call", {"name": "search", "arguments": {"region": "eu"}})
    ),
}


@pytest.mark.parametrize("sent", AGREE.values(), ids=AGREE.keys())
def test_headers_that_agree_pass(sent: Request) -> None:
    """A request whose headers repeat its body is described."""
    found = call(sent)
    assert found.tool is not None
    assert found.tool.name == "search"


DIFFER: dict[str, Request] = {
    "no method": with_header(NEW, "mcp-method", None),
    "no name": with_header(NEW, "mcp-name", None),
    "no version header": with_header(NEW, "mcp-protocol-version", None),
    "other method": with_header(NEW, "mcp-method", "tools/list"),
    "method in another letter case": with_header(NEW, "mcp-method", "Tools/Call"),
    "other name": with_header(NEW, "mcp-name", "delete_note"),
    "other name in base64": with_header(NEW, "mcp-name", sentinel("delete_note")),
    "broken base64": with_header(NEW, "mcp-name", "=?base64?c2Vhcm!?="),
    "base64 with loose bits": with_header(NEW, "mcp-name", "=?base64?c2VhcmNh?="),
    "base64 that is no UTF-8": with_header(NEW, "mcp-name", "=?base64?/w==?="),
    "other version": with_header(NEW, "mcp-protocol-version", "2025-11-25"),
    "version only in the header": with_header(OLD, "mcp-protocol-version", STATELESS),
    "older, other method": with_header(OLD, "mcp-method", "tools/list"),
    "older, other name": with_header(OLD, "mcp-name", "delete_note"),
    "name for a method without one": with_header(stateless("tools/list", {}), "mcp-name", "search"),
    "method on an answer": with_header(posted({"jsonrpc": "2.0", "id": 1, "result": {}}), "mcp-method", "tools/call"),
    "marked argument without its header": searching({"region": "eu"}),
    "marked argument in another header": with_header(searching({"region": "eu"}), "mcp-param-query", "eu"),
    "other value": with_header(searching({"region": "eu"}), "mcp-param-region", "us"),
    "header without its argument": with_header(searching({"query": "x"}), "mcp-param-region", "eu"),
    "header of nothing declared": with_header(NEW, "mcp-param-tenant", "x"),
    "older, other value": with_header(
        posted(rpc("tools/call", {"name": "search", "arguments": {"region": "eu"}})), "mcp-param-region", "us"
    ),
    "argument that is no scalar": with_header(searching({"region": ["eu"]}), "mcp-param-region", "['eu']"),
}


@pytest.mark.parametrize("sent", DIFFER.values(), ids=DIFFER.keys())
def test_headers_that_differ_are_refused(sent: Request) -> None:
    """What something in between could route by, but the body does not say, is a header mismatch."""
    found = refusal(sent)
    assert (found.reason, found.status, found.next_action) == ("header_mismatch", 400, "fix_request")


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
def test_a_header_twice_is_refused(name: str) -> None:
    """Of two copies, one reader takes the first and another the last, even if they are equal."""
    value = NEW.header(name) or ""
    doubled = Request("POST", "https", NEW.host, 443, NEW.path, "", (*NEW.headers, (name, value)), NEW.body)
    assert refusal(doubled).reason == "header_mismatch"


@given(st.text())
def test_header_values_are_opened_as_the_sdk_opens_them(text: str) -> None:
    """What the SDK's client writes into a header is read back exactly."""
    try:
        header = encode_header_value(text)
    except UnicodeEncodeError:
        return
    assert decoded(header) == text


@given(st.text() | st.text(max_size=12).map(lambda text: f"=?base64?{text}?="))
def test_any_header_value_is_opened_or_is_nothing(header: str) -> None:
    """A malformed value equals nothing; the SDK's server agrees on which are malformed."""
    assert decoded(header) is None or not header.startswith("=?base64?") or header.isascii()
    if "\n" not in header and header.isascii():
        assert decoded(header) == decode_header_value(header)
