"""An agent whose environment holds dummies instead of secrets works unchanged: each is replaced on its way."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from proxy.credentials.broker import Broker
from proxy.credentials.references import References
from proxy.credentials.sigv4 import Keys, Scope, sign
from proxy.facts import AnyBinding, AwsSigV4Binding, BasicBinding, Service, StaticBinding
from proxy.stages import Arrived, Attributed, Headers, Request
from proxy.upstreams import outgoing, without_query_credentials
from telemetry.trace_context import begin
from tests.fakes.delegations import NOW, caller

DUMMY = "countersign-placeholder"
REAL = "the-real-secret-0001"
EVERYWHERE: dict[str, Any] = {"methods": ("*",), "paths": ("/*",)}


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def request(headers: Headers, method: str = "POST", path: str = "/v1/things") -> Request:
    return Request(method, "https", "api.example", 443, path, "", (("host", "api.example"), *headers), b"{}")


def static(header: str = "Authorization", value: str = "Bearer {secret}") -> StaticBinding:
    return StaticBinding(id="key", secret="env:REAL", header=header, value=value, **EVERYWHERE)


# What well-known clients send, made of the dummy in their environment, and the binding that puts the real one there.
FORMS: Mapping[str, tuple[Headers, AnyBinding, str]] = {
    "OPENAI_API_KEY": ((("authorization", f"Bearer {DUMMY}"),), static(), f"Bearer {REAL}"),
    "ANTHROPIC_API_KEY": (
        (("x-api-key", DUMMY), ("anthropic-version", "2023-06-01")),
        static("x-api-key", "{secret}"),
        REAL,
    ),
    "GEMINI_API_KEY": ((("x-goog-api-key", DUMMY),), static("x-goog-api-key", "{secret}"), REAL),
    "AZURE_OPENAI_API_KEY": ((("api-key", DUMMY),), static("api-key", "{secret}"), REAL),
    "GITHUB_TOKEN": ((("authorization", f"token {DUMMY}"),), static(value="token {secret}"), f"token {REAL}"),
    "GITLAB_TOKEN": ((("private-token", DUMMY),), static("PRIVATE-TOKEN", "{secret}"), REAL),
    "SLACK_BOT_TOKEN": ((("authorization", f"Bearer xoxb-{DUMMY}"),), static(), f"Bearer {REAL}"),
    "DD_API_KEY, where the binding is a bearer": (
        (("dd-api-key", DUMMY), ("dd-application-key", DUMMY)),
        static(),
        f"Bearer {REAL}",
    ),
    "git over HTTPS": (
        (("authorization", basic("x-access-token", DUMMY)),),
        BasicBinding(id="git", secret="env:REAL", username="x-access-token", **EVERYWHERE),
        basic("x-access-token", REAL),
    ),
    "JIRA_API_TOKEN": (
        (("authorization", basic("bot@example.com", DUMMY)),),
        BasicBinding(id="jira", secret="env:REAL", username="bot@example.com", **EVERYWHERE),
        basic("bot@example.com", REAL),
    ),
    "STRIPE_API_KEY": (
        (("authorization", basic(DUMMY, "")),),
        BasicBinding(id="stripe", secret="env:REAL", username="{secret}", password="", **EVERYWHERE),
        basic(REAL, ""),
    ),
}


def sent(binding: AnyBinding, given: Request) -> Request:
    """What goes upstream."""
    service = Service(id="api", owner="bob", url="https://api.example", bindings=(binding,))
    injection = asyncio.run(Broker(References()).prepare(service, given, caller(), NOW))
    return outgoing(given, injection, begin(None), internal=False)


@pytest.mark.parametrize(("headers", "binding", "expected"), FORMS.values(), ids=FORMS.keys())
def test_a_dummy_is_replaced_in_its_place(
    monkeypatch: pytest.MonkeyPatch, headers: Headers, binding: AnyBinding, expected: str
) -> None:
    """The real one is there once, in the form that the service takes, and the dummy nowhere."""
    monkeypatch.setenv("REAL", REAL)
    upstream = sent(binding, request(headers))
    values = [value for _, value in upstream.headers]
    assert values.count(expected) == 1
    assert DUMMY not in " ".join(values)
    assert not [value for value in values if value.startswith("Basic ") and value != expected]


def test_dummy_keys_of_aws_are_signed_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SigV4 request that an SDK signed with dummies, session token and all, goes out signed by the real ones."""
    monkeypatch.setenv("ID", "AKIAREAL00000000000")
    monkeypatch.setenv("REAL", REAL)
    plain = request((("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "DynamoDB_20120810.GetItem")))
    dummy = Keys("AKIACOUNTERSIGNDUMMY", DUMMY, f"session-{DUMMY}")
    signed = replace(plain, headers=(*plain.headers, *sign(plain, dummy, Scope("eu-central-1", "dynamodb"), NOW - 9)))
    assert DUMMY in str(signed.headers)
    binding = AwsSigV4Binding(
        id="dynamo", region="eu-central-1", service="dynamodb", access_key_id="env:ID", secret_access_key="env:REAL",
        **EVERYWHERE,
    )  # fmt: skip
    upstream = sent(binding, signed)
    said = dict(upstream.headers)
    assert "Credential=AKIAREAL00000000000/" in said["authorization"]
    assert "DUMMY" not in str(upstream.headers)
    assert DUMMY not in str(upstream.headers)
    anew = sign(
        replace(plain, headers=plain.headers), Keys("AKIAREAL00000000000", REAL, ""), Scope("eu-central-1", "dynamodb"),
        NOW,
    )  # fmt: skip
    assert said["authorization"] == dict(anew)["authorization"]


def test_without_the_real_one_the_dummy_goes_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No binding: the call goes out with no credential. A binding whose secret is missing: no call."""
    monkeypatch.delenv("REAL", raising=False)
    with pytest.raises(Exception, match="credential_unavailable"):
        sent(static(), request((("authorization", f"Bearer {DUMMY}"),)))
    nothing = Service(id="api", owner="bob", url="https://api.example")
    for headers, _, _ in FORMS.values():
        given = request(headers)
        injection = asyncio.run(Broker(References()).prepare(nothing, given, caller(), NOW))
        assert DUMMY not in str(outgoing(given, injection, begin(None), internal=False).headers)


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "appid", "subscription-key"])
def test_a_dummy_in_a_query_is_replaced(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As `GOOGLE_MAPS_API_KEY` travels: the real one is there once, and the dummy nowhere."""
    monkeypatch.setenv("REAL", REAL)
    binding = StaticBinding(id="key", secret="env:REAL", query=name, **EVERYWHERE)
    service = Service(id="api", owner="bob", url="https://api.example", bindings=(binding,))
    given = replace(request(()), query=f"q=Bern&{name}={DUMMY}&units=metric", body=b"")
    arrived = Arrived("call_1", NOW, "conn_1", "connect", "127.0.0.1", given)
    bare = without_query_credentials(Attributed(arrived, caller()), service).arrived.request
    assert sent(binding, bare).query == f"q=Bern&units=metric&{name}={REAL}"
    with pytest.raises(Exception, match="credential_unavailable"):
        sent(binding, given)
