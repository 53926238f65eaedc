"""One message, two readers, two meanings: each known trick is refused before policy is asked.

For each attack the table says what a lax reader would have done with it. Sources are in the names: Go's
case-folding JSON decoder (CVE-2026-27896), NUL-suffixed keys (GHSA-q382-vc8q-7jhj), JSON-RPC differentials
(GHSA-4gph-2hhr-5mwg), and the differences between Python, Node and Go that were measured.
"""

from dataclasses import replace

import pytest

from proxy.stages import Request
from tests.fakes.wire_calls import STATELESS, call, posted, refusal, request, rpc, stateless, with_header

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HARMLESS = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"%s}'
SEARCH = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"x"}%s}}'


def mcp(body: bytes, content_type: str = JSON) -> Request:
    return request("POST", "notes.example.com/mcp", body, content_type)


def refund(body: bytes, content_type: str = JSON, query: str = "") -> Request:
    return request("POST", "crm.example.com/v1/refunds" + query, body, content_type)


def with_doubled(sent: Request, name: str, value: str) -> Request:
    """The same request with this header a second time."""
    return replace(sent, headers=(*sent.headers, (name, value)))


def utf8(text: str) -> bytes:
    return text.encode("utf-8")


OVER_MCP: dict[str, tuple[bytes, str]] = {
    "Go runs the second method": (HARMLESS % b',"Method":"tools/call"', "body_invalid"),
    "last of two methods wins": (HARMLESS % b',"method":"tools/call"', "body_invalid"),
    "escaped second method": (HARMLESS % b',"\\u006dethod":"tools/call"', "body_invalid"),
    "Go folds the long s": (HARMLESS % utf8(',"params":{},"param\u017f":{"name":"delete_note"}'), "body_invalid"),
    "Go folds a lone long s": (HARMLESS % utf8(',"param\u017f":{"name":"delete_note"}'), "rpc_invalid"),
    "Go folds a lone capital": (HARMLESS % b',"Params":{"name":"delete_note"}', "rpc_invalid"),
    "C ends the key at NUL": (HARMLESS % b',"method\\u0000":"tools/call"', "body_invalid"),
    "second name in params": (SEARCH % b',"name":"delete_note"', "body_invalid"),
    "second name, folded": (SEARCH % b',"Name":"delete_note"', "body_invalid"),
    "Go folds lone arguments": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","Arguments":{"query":"x"}}}',
        "rpc_invalid",
    ),
    "argument under a folded name": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"QUERY":"x"}}}',
        "argument_lookalike",
    ),
    "argument twice": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"query":"x","query":"y"}}}',
        "body_invalid",
    ),
    "Python skips the byte-order mark": (b"\xef\xbb\xbf" + SEARCH % b"", "body_invalid"),
    "Python reads UTF-16": ((SEARCH % b"").decode().encode("utf-16"), "body_invalid"),
    "Python reads UTF-16 without mark": ((SEARCH % b"").decode().encode("utf-16-le"), "body_invalid"),
    "Python reads UTF-32": ((SEARCH % b"").decode().encode("utf-32"), "body_invalid"),
    "overlong UTF-8": (SEARCH.replace(b"query", b"quer\xc1\xb9") % b"", "body_invalid"),
    "lone surrogate, three readers, three results": (SEARCH.replace(b'"x"', b'"\\ud800"') % b"", "body_invalid"),
    "Python reads NaN": (SEARCH.replace(b'"x"', b"NaN") % b"", "body_invalid"),
    "Python reads Infinity": (SEARCH.replace(b'"x"', b"-Infinity") % b"", "body_invalid"),
    "a float that is infinite": (SEARCH.replace(b'"x"', b"1e400") % b"", "body_invalid"),
    "more digits than readers take": (SEARCH.replace(b'"x"', b"9" * 5000) % b"", "body_invalid"),
    "deeper than readers recurse": (SEARCH.replace(b'"x"', b"[" * 40 + b"]" * 40) % b"", "body_invalid"),
    "deep enough to crash": (b'{"a":' * 100_000, "body_invalid"),
    "two messages in one body": ((SEARCH % b"") * 2, "body_invalid"),
    "a message a line": (SEARCH % b"" + b"\n" + HARMLESS % b"", "body_invalid"),
    "comments": (SEARCH % b"/* */", "body_invalid"),
    "trailing comma": (HARMLESS % b",", "body_invalid"),
    "single quotes": (b"{'jsonrpc':'2.0','id':1,'method':'ping'}", "body_invalid"),
    "a batch hides the second": (b"[" + HARMLESS % b"" + b"," + SEARCH % b"" + b"]", "rpc_batch"),
    "request and answer at once": (HARMLESS % b',"result":{}', "rpc_invalid"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), OVER_MCP.values(), ids=OVER_MCP.keys())
def test_a_message_with_two_readings_is_refused_over_mcp(body: bytes, reason: str) -> None:
    """What another reader would take for another call is refused, whatever we would take it for."""
    assert refusal(mcp(body)).reason == reason


GOOD = b'{"customer":"c1","amount":5%s}'
OVER_HTTP: dict[str, tuple[Request, str]] = {
    "last amount wins": (refund(GOOD % b',"amount":5000000'), "body_invalid"),
    "folded amount wins": (refund(GOOD % b',"Amount":5000000'), "body_invalid"),
    "full-width amount": (refund(GOOD % utf8(',"\uff41mount":5000000')), "body_invalid"),
    "amount only in the folded form": (refund(b'{"customer":"c1","AMOUNT":5000000}'), "argument_lookalike"),
    "amount from the query wins": (refund(GOOD % b"", query="?amount=5000000"), "argument_conflict"),
    "folded amount from the query": (refund(GOOD % b"", query="?AMOUNT=5000000"), "argument_conflict"),
    "PHP makes a list of it": (refund(GOOD % b"", query="?amount%5B%5D=5000000"), "argument_lookalike"),
    "PHP strips the blank": (refund(GOOD % b"", query="?+amount=5000000"), "argument_lookalike"),
    "NUL-ended amount": (refund(GOOD % b',"amount\\u0000":5000000'), "body_invalid"),
    "second amount in a form": (refund(b"customer=c1&amount=5&amount=5000000", FORM), "argument_conflict"),
    "semicolon splits the form": (refund(b"customer=c1;amount=5000000&amount=5", FORM), "body_invalid"),
    "NUL in a form": (refund(b"customer=c1&amount%00=5000000&amount=5", FORM), "body_invalid"),
    "JSON sent as text": (refund(GOOD % b"", "text/plain"), "content_type_unknown"),
    "JSON sent as UTF-7": (refund(GOOD % b"", "application/json; charset=utf-7"), "content_type_unknown"),
    "two content types": (with_doubled(refund(GOOD % b""), "content-type", FORM), "content_type_unknown"),
    "compressed body": (with_header(refund(GOOD % b""), "content-encoding", "gzip"), "content_encoding_unknown"),
    "path through a parent": (request("GET", "crm.example.com/v1/open/..%2fcustomers/7"), "path_ambiguous"),
    "path decoded twice": (request("GET", "crm.example.com/v1/%2563ustomers/7"), "path_ambiguous"),
    "path with matrix parameters": (request("GET", "crm.example.com/v1/customers;x/7"), "route_ambiguous"),
    "path in another letter case": (request("GET", "crm.example.com/v1/CUSTOMERS/7"), "route_ambiguous"),
    "path with a final slash": (request("GET", "crm.example.com/v1/customers/7/"), "route_ambiguous"),
    "path with empty segments": (request("GET", "crm.example.com/v1//customers/7"), "path_ambiguous"),
    "path with a backslash": (request("GET", "crm.example.com/v1\\customers/7"), "path_ambiguous"),
    "method changed by a header": (
        with_header(refund(GOOD % b""), "x-http-method", "DELETE"), "method_override"),
    "method changed by the query": (refund(GOOD % b"", query="?_method=DELETE"), "method_override"),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "reason"), OVER_HTTP.values(), ids=OVER_HTTP.keys())
def test_a_request_with_two_readings_is_refused_over_http(sent: Request, reason: str) -> None:
    """What another server would route, decode or add up differently is refused."""
    assert refusal(sent).reason == reason


BY_HEADERS: dict[str, Request] = {
    "a router sends it elsewhere": with_header(
        posted(rpc("tools/call", {"name": "search"})), "mcp-name", "delete_note"
    ),
    "a router sees only a listing": with_header(
        stateless("tools/call", {"name": "search"}, "search"), "mcp-method", "tools/list"
    ),
    "two names": with_doubled(stateless("tools/call", {"name": "search"}, "search"), "mcp-name", "delete_note"),
    "two versions": with_doubled(
        stateless("tools/call", {"name": "search"}, "search"), "mcp-protocol-version", "2025-11-25"
    ),
    "another version in the body": with_header(
        stateless("tools/call", {"name": "search"}, "search"), "mcp-protocol-version", "2025-06-18"
    ),
    "a parameter that the body lacks": with_header(
        stateless("tools/call", {"name": "search", "arguments": {}}, "search"), "mcp-param-region", "eu"
    ),
}


@pytest.mark.parametrize("sent", BY_HEADERS.values(), ids=BY_HEADERS.keys())
def test_headers_that_something_could_route_by_must_agree(sent: Request) -> None:
    """Policy reads the body; whoever reads only the headers must come to the same call."""
    assert refusal(sent).reason == "header_mismatch"


EXACT: dict[str, tuple[bytes, object]] = {
    "Node and Go round it": (b"10000000000000001", 10000000000000001),
    "beyond 64 bits": (b"18446744073709551617", 18446744073709551617),
    "true is not 1": (b"true", True),
}


@pytest.mark.parametrize(("text", "value"), EXACT.values(), ids=EXACT.keys())
def test_numbers_that_readers_round_are_kept_exactly(text: bytes, value: object) -> None:
    """Policy, digest and approver see the very number that was sent."""
    found = call(mcp(SEARCH.replace(b'"x"', text) % b"")).arguments["query"]
    assert found == value
    assert type(found) is type(value)


def test_rounding_does_not_join_two_approvals() -> None:
    """Two amounts that some readers round to one are two digests."""
    one = mcp(SEARCH.replace(b'"x"', b"10000000000000000") % b"")
    other = mcp(SEARCH.replace(b'"x"', b"10000000000000001") % b"")
    assert call(one).digest != call(other).digest


def test_the_version_cannot_be_lowered_to_escape_the_headers() -> None:
    """A body of the newest revision without its headers is refused, not read as an older one."""
    sent = stateless("tools/call", {"name": "search"}, "search")
    bare = replace(sent, headers=tuple(header for header in sent.headers if not header[0].startswith("mcp-")))
    assert STATELESS.encode() in bare.body
    assert refusal(bare).reason == "header_mismatch"
