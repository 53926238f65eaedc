"""Where a call is sent, and what of it."""

from dataclasses import replace

import pytest

from proxy.downstream.txn_token import TxnToken
from proxy.errors import Refused
from proxy.facts import Service, StaticBinding
from proxy.stages import Arrived, Attributed, Injection, Request
from proxy.upstreams import destination_of, outgoing, through_gateway, without_query_credentials
from telemetry.trace_context import begin
from tests.fakes.delegations import caller


def service(url: str, **more) -> Service:
    return Service(id="crm", owner="bob", url=url, **more)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://crm.test", ("https", "crm.test", 443)),
        ("http://CRM.test:8080/api", ("http", "crm.test", 8080)),
        ("http://crm.test", ("http", "crm.test", 80)),
        ("https://[::1]:8443/", ("https", "::1", 8443)),
    ],
)
def test_a_destination_is_the_services_url(url, expected):
    """Scheme, host and port are those of the URL, with the scheme's own port where it names none."""
    place = destination_of(service(url))
    assert (place.scheme, place.host, place.port) == expected
    assert (place.connect, place.ca_bundle, place.allow_private_addresses, place.allow_websocket) == (
        None, None, False, False,
    )  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1:9", ("127.0.0.1", 9)), ("[::1]:9", ("::1", 9))])
def test_a_pinned_address_and_every_exception_are_passed_on(text, expected):
    """What the inventory allows this service, and nothing that it allows another of the same URL."""
    pinned = service(
        "https://crm.test", connect=text, ca_bundle="/ca.pem", allow_private_addresses=True, allow_websocket=True
    )
    place = destination_of(pinned)
    assert place.connect == expected
    assert (place.ca_bundle, place.allow_private_addresses, place.allow_websocket) == ("/ca.pem", True, True)
    assert destination_of(service("https://crm.test")).connect is None


def sent(path: str = "/v1/x", **more) -> Request:
    headers = (("host", "127.0.0.1:8081"), ("accept", "*/*"))
    return Request("GET", "http", "127.0.0.1", 8081, path, "a=1", headers, b"", **more)


def arrived(path: str = "/v1/x") -> Arrived:
    return Arrived("call_1", 0.0, "conn_1", "gateway", "127.0.0.1", sent(path), "crm")


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("https://crm.test", "/v1/x", "/v1/x"),
        ("https://crm.test/api", "/v1/x", "/api/v1/x"),
        ("https://crm.test/api/", "/v1/x", "/api/v1/x"),
        ("https://notes.test/mcp", "/", "/mcp"),
        ("https://notes.test/mcp", "/other", "/mcp/other"),
        ("https://crm.test", "/", "/"),
    ],
)
def test_behind_the_gateway_a_request_is_the_services_own(url, path, expected):
    """Its place, its Host and its path become those of the service; the query and the rest stay."""
    request = through_gateway(arrived(path), service(url)).request
    assert (request.path, request.query) == (expected, "a=1")
    assert (request.scheme, request.port) == ("https", 443)
    assert request.headers == (("host", request.host), ("accept", "*/*"))


def test_the_host_header_has_an_unusual_port():
    """A port that is not the scheme's own stands in the Host header."""
    request = through_gateway(arrived(), service("https://[::1]:8443")).request
    assert dict(request.headers)["host"] == "[::1]:8443"


def test_a_service_that_is_not_there_is_refused():
    """The gateway serves what the inventory names, and says what it would need."""
    with pytest.raises(Refused) as caught:
        through_gateway(arrived(), None)
    assert (caught.value.refusal.reason, caught.value.refusal.status) == ("service_unknown", 403)


def test_the_agents_credentials_stay_here_and_ours_go():
    """What could pass for a credential of the agent's is gone; the injected one stands alone, in its place."""
    request = Request(
        "GET", "https", "crm.test", 443, "/", "",
        (("host", "crm.test"), ("authorization", "Bearer agent"), ("cookie", "a=b"), ("x-custom_key", "agent")), b"",
    )  # fmt: skip
    injection = Injection((("x-custom-key", "ours"),))
    assert outgoing(request, injection, begin(), internal=False).headers == (
        ("host", "crm.test"),
        ("x-custom-key", "ours"),
    )


def test_only_internal_services_get_the_account():
    """One token, in place of whatever the agent sent as one; handed to the wrong place, it goes nowhere."""
    request = sent()
    request = replace(request, headers=(*request.headers, ("txn-token", "an agent's"), ("txn_token", "another")))
    token = TxnToken("txn_1", "a.b.c")
    inside = outgoing(request, Injection(), begin(), internal=True, token=token).headers
    assert [value for name, value in inside if "txn" in name] == ["a.b.c"]
    outside = outgoing(request, Injection(), begin(), internal=False, token=token).headers
    assert [value for name, value in outside if "txn" in name] == []


def test_only_internal_services_see_our_trace():
    """Inside the house the trace goes on, as its client span, always sampled; outside it there is none."""
    trace = begin("00-" + "a" * 32 + "-" + "b" * 16 + "-00")
    inside = dict(outgoing(sent(), Injection(), trace, internal=True).headers)
    assert inside["traceparent"] == f"00-{trace.trace}-{trace.up}-03"
    assert "traceparent" not in dict(outgoing(sent(), Injection(), trace, internal=False).headers)


KEYED = service(
    "http://127.0.0.1:8081",
    bindings=(StaticBinding(id="key", secret="env:A", methods=("GET",), paths=("/v1/*",), query="key"),),
)


def asked(query: str, path: str = "/v1/x") -> Attributed:
    return Attributed(replace(arrived(), request=replace(sent(path), query=query)), caller())


@pytest.mark.parametrize(
    ("query", "left", "stripped"),
    [("a=1&key=dummy", "a=1", ("?key",)), ("%6bey=x", "", ("?key",)), ("a=1", "a=1", ()), ("", "", ())],
)
def test_what_the_agent_sent_as_a_credential_is_in_no_later_stage(query, left, stripped):
    """The parameter is gone before anything is decided, and its name is kept for the record."""
    found = without_query_credentials(asked(query), KEYED).arrived
    assert (found.request.query, found.stripped) == (left, stripped)


def test_a_parameter_that_carries_no_credential_stays():
    """On a path without such a binding, and of a service that nobody knows."""
    for call, known in (
        (asked("key=1", "/v2/x"), KEYED),
        (asked("key=1"), None),
        (asked("key=1"), service("http://a")),
    ):
        assert without_query_credentials(call, known) is call


@pytest.mark.parametrize(("query", "expected"), [("a=1", "a=1&key=s%26"), ("", "key=s%26")])
def test_ours_is_joined_to_the_query(query, expected):
    """As it was encoded, behind what the agent asked."""
    request = replace(sent(), query=query)
    assert outgoing(request, Injection(query="key=s%26"), begin(), internal=False).query == expected


def test_a_services_own_patience_is_passed_on():
    """In place of everybody's; without one, nothing is said."""
    assert destination_of(service("https://crm.test", answer_seconds=900)).answer_within == 900
    assert destination_of(service("https://crm.test")).answer_within is None


def test_a_service_may_be_silent_for_longer_or_less():
    """What it says of that is for its own answers alone."""
    assert destination_of(service("https://crm.test", silence_seconds=7)).silence_within == 7
    assert destination_of(service("https://crm.test")).silence_within is None


def test_only_a_service_that_takes_encoded_slashes_gets_them():
    """The word of the inventory, and nothing without one."""
    assert destination_of(service("https://a.test", paths={"encoded_slash": "allowed"})).allow_encoded_slash
    assert not destination_of(service("https://a.test")).allow_encoded_slash
