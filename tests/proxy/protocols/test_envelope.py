"""What an action's digest covers, and what it leaves out."""

import hashlib
import json
from dataclasses import replace

import pytest
import rfc8785

from policies.model import Json
from proxy.facts import StaticBinding
from proxy.protocols.catalog import Catalog
from proxy.protocols.envelope import exact_json
from proxy.protocols.registry import describe
from proxy.stages import Attributed, Chain, Identity, Principal, Request
from tests.fakes.wire_calls import (
    CATALOG,
    CRM,
    IDENTITY,
    NOTES,
    attributed,
    call,
    compiled,
    posted,
    request,
    rpc,
    stateless,
    with_header,
)

JSON = "application/json"
BODY = b'{"customer":"c1","amount":5}'
REFUND = request("POST", "crm.example.com/v1/refunds?urgent=true", BODY, JSON)
SEARCH = rpc("tools/call", {"name": "search", "arguments": {"query": "x"}})


def digest(sent: Request, catalog: Catalog = CATALOG) -> str:
    return call(sent, catalog).digest


@pytest.mark.parametrize("sent", [REFUND, posted(SEARCH), posted(rpc("tools/list")), replace(REFUND, body=b"")])
def test_the_digest_is_over_the_canonical_envelope(sent: Request) -> None:
    """Anyone can recompute it: SHA-256 over `action/1`, NUL and the envelope's RFC 8785 bytes."""
    found = call(sent)
    assert rfc8785.dumps(json.loads(found.envelope)) == found.envelope
    assert found.digest == "sha256:" + hashlib.sha256(b"action/1\0" + found.envelope).hexdigest()
    assert json.loads(found.envelope)["v"] == "action/1"


def json_body(body: bytes) -> Request:
    return replace(REFUND, body=body)


SAME: dict[str, tuple[Request, Request]] = {
    "white space and order in JSON": (REFUND, json_body(b'{ "amount": 5, "customer": "c1" }')),
    "escapes in JSON": (REFUND, json_body(b'{"customer":"\\u0063\\u0031","amount":5}')),
    "charset": (REFUND, with_header(REFUND, "content-type", "application/json; charset=UTF-8")),
    "user agent": (REFUND, with_header(REFUND, "user-agent", "other")),
    "trace context": (REFUND, with_header(REFUND, "traceparent", "00-1-2-01")),
    "the agent's own credentials": (REFUND, with_header(REFUND, "authorization", "Bearer other")),
    "accepted encodings": (REFUND, with_header(REFUND, "accept-encoding", "br")),
    "how long it will wait": (REFUND, with_header(REFUND, "prefer", "wait=10")),
    "spelling of the form": (
        request("POST", "crm.example.com/x", b"a=%41+b", "application/x-www-form-urlencoded"),
        request("POST", "crm.example.com/x", b"a=A%20b", "application/x-www-form-urlencoded"),
    ),
    "JSON-RPC id": (posted(SEARCH), posted({**SEARCH, "id": "other"})),
    "progress token": (
        posted(SEARCH),
        posted(rpc("tools/call", {"name": "search", "arguments": {"query": "x"}, "_meta": {"progressToken": 9}})),
    ),
    "request state": (
        stateless("tools/call", {"name": "search", "requestState": "a"}, "search"),
        stateless("tools/call", {"name": "search", "requestState": "b"}, "search"),
    ),
    "session": (posted(SEARCH), with_header(posted(SEARCH), "mcp-session-id", "other")),
    "revision": (
        posted(rpc("tools/call", {"name": "search", "arguments": {}})),
        stateless("tools/call", {"name": "search", "arguments": {}}, "search"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME.keys())
def test_two_sendings_of_one_action_are_one_digest(one: Request, other: Request) -> None:
    """What differs between two sendings of the same action is not part of it."""
    assert digest(one) == digest(other)


def tool_call(**params: Json) -> Request:
    return posted(rpc("tools/call", {"name": "search", "arguments": {"query": "x"}, **params}))


DIFFERENT: dict[str, tuple[Request, Request]] = {
    "one byte of the body": (REFUND, json_body(b'{"customer":"c1","amount":6}')),
    "type of a value": (
        request("POST", "crm.example.com/x", b'{"a":1}', JSON),
        request("POST", "crm.example.com/x", b'{"a":"1"}', JSON),
    ),
    "large integers": (
        request("POST", "crm.example.com/x", b'{"a":9007199254740992}', JSON),
        request("POST", "crm.example.com/x", b'{"a":9007199254740993}', JSON),
    ),
    "composed and decomposed letters": (
        request("POST", "crm.example.com/x", '{"a":"\u00e9"}'.encode(), JSON),
        request("POST", "crm.example.com/x", '{"a":"e\u0301"}'.encode(), JSON),
    ),
    "no body and an empty one": (replace(REFUND, body=b""), json_body(b"{}")),
    "method": (request("PUT", "crm.example.com/x"), request("PATCH", "crm.example.com/x")),
    "path": (request("GET", "crm.example.com/x"), request("GET", "crm.example.com/y")),
    "query": (request("GET", "crm.example.com/x?a=1"), request("GET", "crm.example.com/x?a=2")),
    "order of the query": (request("GET", "crm.example.com/x?a=1&b=2"), request("GET", "crm.example.com/x?b=2&a=1")),
    "order of a form": (
        request("POST", "crm.example.com/x", b"a=1&b=2", "application/x-www-form-urlencoded"),
        request("POST", "crm.example.com/x", b"b=2&a=1", "application/x-www-form-urlencoded"),
    ),
    "media type": (
        request("PATCH", "crm.example.com/x", b"{}", "application/merge-patch+json"),
        request("PATCH", "crm.example.com/x", b"{}", JSON),
    ),
    "idempotency key": (REFUND, with_header(REFUND, "idempotency-key", "k2")),
    "precondition": (REFUND, with_header(REFUND, "if-match", '"1"')),
    "a header that names an account": (REFUND, with_header(REFUND, "stripe-account", "acct_2")),
    "preference": (REFUND, with_header(REFUND, "prefer", "handling=lenient, wait=5")),
    "tool": (posted(SEARCH), posted(rpc("tools/call", {"name": "delete_note", "arguments": {"query": "x"}}))),
    "arguments": (posted(SEARCH), posted(rpc("tools/call", {"name": "search", "arguments": {"query": "y"}}))),
    "task terms": (tool_call(), tool_call(task={"ttl": 5})),
    "answers to the server's questions": (tool_call(), tool_call(inputResponses={"q": {"action": "accept"}})),
    "metadata that we do not know": (tool_call(), tool_call(_meta={"com.example/tenant": "b"})),
    "parameters of housekeeping": (posted(rpc("tools/list", {})), posted(rpc("tools/list", {"cursor": "x"}))),
    "large integers over MCP": (
        posted(rpc("tools/call", {"name": "delete_note", "arguments": {"n": 2**53}})),
        posted(rpc("tools/call", {"name": "delete_note", "arguments": {"n": 2**53 + 1}})),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_another_action_is_another_digest(one: Request, other: Request) -> None:
    """Everything that can change what happens is part of what is approved."""
    assert digest(one) != digest(other)


ASKED_BY: dict[str, Identity] = {
    "agent": replace(IDENTITY, agent=IDENTITY.agent.model_copy(update={"id": "other"})),
    "subject": replace(IDENTITY, proven=replace(IDENTITY.proven, on_behalf_of="bob")),
    "chain": replace(IDENTITY, chain=Chain(Principal("human", "alice"))),
    "root": replace(IDENTITY, chain=replace(IDENTITY.chain, root=Principal("human", "bob"))),
    "gap in the chain": replace(IDENTITY, chain=replace(IDENTITY.chain, complete=False)),
    "proof level": replace(
        IDENTITY, chain=replace(IDENTITY.chain, hops=(replace(IDENTITY.chain.hops[0], level="asserted"),))
    ),
}


@pytest.mark.parametrize("identity", ASKED_BY.values(), ids=ASKED_BY.keys())
def test_another_caller_is_another_digest(identity: Identity) -> None:
    """An approval for one agent, person or chain serves no other."""
    asked = attributed(REFUND)
    assert describe(Attributed(asked.arrived, identity), CATALOG).call.digest != digest(REFUND)


def test_the_same_caller_with_fresh_proof_is_the_same() -> None:
    """The evidence of a hop, and the credential's id, differ from day to day; the action does not."""
    hop = replace(IDENTITY.chain.hops[0], evidence="sha256:2")
    fresh = replace(
        IDENTITY,
        chain=replace(IDENTITY.chain, hops=(hop,)),
        proven=replace(IDENTITY.proven, credential="handle:2", task="task-2"),
    )
    asked = attributed(REFUND)
    assert describe(Attributed(asked.arrived, fresh), CATALOG).call.digest == digest(REFUND)


def binding(**changes: object) -> StaticBinding:
    return StaticBinding.model_validate(
        {"id": "b", "secret": "env:A", "methods": ["POST"], "paths": ["/**"], **changes}
    )


def test_another_credential_is_another_digest() -> None:
    """The same request with another stored credential has another effect."""
    catalogs = [
        compiled(CRM.model_copy(update={"bindings": bindings}))
        for bindings in ((), (binding(),), (binding(secret="env:B"),), (binding(id="c"),), (binding(header="X"),))
    ]
    assert len({digest(REFUND, catalog) for catalog in catalogs}) == len(catalogs)


def test_a_redefined_tool_is_another_digest() -> None:
    """An MCP tool that changed its words while a call was held is not what was approved."""
    renamed = tuple(tool.model_copy(update={"description": "sends mail"}) for tool in NOTES.tools)
    redefined = compiled(CRM, NOTES.model_copy(update={"tools": renamed}))
    assert digest(posted(SEARCH), redefined) != digest(posted(SEARCH))


@pytest.mark.parametrize(("one", "other"), [(2**53, 2**53 + 1), (2**60, float(2**60)), ([2**53, 1], [2**53, True])])
def test_values_beyond_rfc_8785_keep_every_digit(one: Json, other: Json) -> None:
    """Where canonical JSON cannot say a value, its exact digits are kept apart."""
    assert exact_json(one) != exact_json(other)
