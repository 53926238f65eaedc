"""The credential for one request, or a refusal."""

import asyncio
from typing import Any

import pytest

from proxy.credentials.broker import Broker
from proxy.credentials.references import References
from proxy.errors import Refused
from proxy.facts import Service, StaticBinding
from proxy.stages import Injection, Request
from tests.fakes.authorities import OAuthServer
from tests.fakes.delegations import NOW, caller

VALUE = "s3cr3t-value-1"


@pytest.fixture(autouse=True)
def secret_in_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret that the bindings below refer to."""
    monkeypatch.setenv("CRM_TOKEN", VALUE)


def service(url: str = "https://crm.example", bound: dict[str, Any] | None = None, **changes: Any) -> Service:
    """A service with one binding for everything."""
    good: dict[str, Any] = {"id": "all", "secret": "env:CRM_TOKEN", "methods": ("GET",), "paths": ("/*",)}
    return Service(id="crm", owner="olga", url=url, bindings=(StaticBinding(**(good | (bound or {}))),), **changes)


def prepare(crm: Service, **changes: Any) -> Injection:
    """What a request to it gets."""
    good: dict[str, Any] = {
        "method": "GET", "scheme": "https", "host": "crm.example", "port": 443, "path": "/v1", "query": "",
        "headers": (("authorization", "Bearer agents-own"),), "body": b"",
    }  # fmt: skip
    return asyncio.run(Broker(References()).prepare(crm, Request(**(good | changes)), caller(), NOW))


def refused(crm: Service, **changes: Any) -> str:
    """The reason that a request is refused with; the secret is in no text of it."""
    with pytest.raises(Refused) as caught:
        prepare(crm, **changes)
    assert caught.value.refusal.status == 503
    assert VALUE not in f"{caught.value!r} {caught.value} {caught.value.refusal!r}"
    return caught.value.refusal.reason


def test_the_secret_is_put_into_its_header() -> None:
    """In the form that the binding gives it, and into no other."""
    injection = prepare(service())
    assert injection.headers == (("authorization", f"Bearer {VALUE}"),)
    assert [secret.value for secret in injection.secrets] == [VALUE]
    assert injection.binding is not None
    assert injection.binding.id == "all"
    other = prepare(service(bound={"header": "X-Api-Key", "value": "key={secret};v=1"}))
    assert other.headers == (("x-api-key", f"key={VALUE};v=1"),)


def test_the_secret_is_in_no_text() -> None:
    """Neither the injection nor its parts show the value when they are printed."""
    assert VALUE not in repr(prepare(service()))


def test_without_a_binding_nothing_is_injected() -> None:
    """A request that no binding names goes without a credential."""
    assert prepare(service(), method="POST") == Injection()
    assert prepare(service(), host="other.example") == Injection()


def test_without_the_secret_the_call_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A binding whose secret is missing is a refusal, never a call without it."""
    monkeypatch.delenv("CRM_TOKEN")
    assert refused(service()) == "credential_unavailable"


PLAIN = {"scheme": "http", "port": 80}


@pytest.mark.parametrize(
    ("url", "changes", "allowed"),
    [
        ("http://crm.example", {}, False),
        ("http://crm.example", {"allow_private_addresses": True}, False),
        ("http://127.0.0.1", {}, False),
        ("http://127.0.0.1", {"allow_private_addresses": True}, True),
        ("http://localhost", {"allow_private_addresses": True}, True),
        ("http://10.0.0.1", {"allow_private_addresses": True}, False),
        ("http://localhost.example", {"allow_private_addresses": True}, False),
        ("http://crm.example", {"allow_private_addresses": True, "connect": "127.0.0.1:8080"}, True),
        ("http://crm.example", {"allow_private_addresses": True, "connect": "[::1]:8080"}, True),
        ("http://crm.example", {"connect": "127.0.0.1:8080"}, False),
        ("http://127.0.0.1", {"allow_private_addresses": True, "connect": "10.0.0.1:80"}, False),
    ],
)
def test_a_secret_never_travels_in_plain(url: str, changes: dict[str, Any], allowed: bool) -> None:
    """Plain http carries a secret only to this machine, to a service that is registered as private."""
    crm = service(url, **changes)
    host = url.removeprefix("http://")
    if allowed:
        assert prepare(crm, host=host, **PLAIN).secrets
    else:
        assert refused(crm, host=host, **PLAIN) == "credential_plaintext"


@pytest.mark.parametrize(
    "bound",
    [
        {"header": "Host"}, {"header": "Content-Length"}, {"header": "Transfer-Encoding"}, {"header": "Connection"},
        {"header": "Proxy-Authorization"}, {"header": "Accept-Encoding"}, {"header": "X Key"}, {"header": "X-Key\r\nA"},
        {"header": ""}, {"header": "traceparent"}, {"value": "Bearer"}, {"value": "{secret}\r\nX: y"}, {"value": ""},
        {"value": "\u00fc{secret}"},
    ],
)  # fmt: skip
def test_a_secret_goes_into_no_odd_place(bound: dict[str, str]) -> None:
    """Not into a header that frames or routes the message, and not without its place in the value."""
    assert refused(service(bound=bound)) == "credential_unavailable"


AWS = {
    "id": "aws", "kind": "aws_sigv4", "region": "eu-central-1", "service": "s3", "access_key_id": "env:CRM_TOKEN",
    "secret_access_key": "env:CRM_TOKEN", "methods": ["GET"], "paths": ["/bucket/*"],
}  # fmt: skip


def test_a_presigned_url_is_refused_where_we_sign() -> None:
    """On any path of a service that we sign for, bound or not; the same query is nothing special elsewhere."""
    aws = Service.model_validate({"id": "s3", "owner": "olga", "url": "https://crm.example", "bindings": [AWS]})
    for path in ("/bucket/key", "/other"):
        with pytest.raises(Refused) as caught:
            prepare(aws, path=path, query="X-Amz-Credential=AKIA&X-Amz-Signature=ab")
        assert (caught.value.refusal.status, caught.value.refusal.reason) == (403, "credential_in_query")
    assert dict(prepare(aws, path="/bucket/key", query="list-type=2").headers)["authorization"].startswith("AWS4-")
    assert prepare(aws, path="/other", query="list-type=2") == Injection()
    assert prepare(service(), query="X-Amz-Signature=ab").secrets


def test_a_kind_that_nobody_obtains_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown means no."""
    monkeypatch.setattr("proxy.credentials.broker.KINDS", {})
    assert refused(service()) == "credential_unavailable"


def test_no_kind_goes_over_plain_http() -> None:
    """Not even one whose secret would not be sent as it is."""
    plain = {"id": "s3", "owner": "olga", "url": "http://crm.example", "bindings": [AWS]}
    with pytest.raises(Refused) as caught:
        prepare(Service.model_validate(plain), path="/bucket/key", **PLAIN)
    assert caught.value.refusal.reason == "credential_plaintext"


def test_what_was_obtained_ends_with_its_caller_and_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep ends what belongs to identities that have ended; the close ends the rest."""
    with OAuthServer() as server:
        monkeypatch.setenv("CRM_TOKEN", server.secret)
        oauth = {
            "id": "crm", "kind": "oauth_client_credentials", "token_url": f"{server.url}/token",
            "client_id": "countersign", "revocation_url": f"{server.url}/revoke", "secret": "env:CRM_TOKEN",
            "methods": ["GET"], "paths": ["/*"], "unsafe_http_loopback": True,
        }  # fmt: skip
        crm = Service.model_validate({"id": "crm", "owner": "olga", "url": "https://crm.example", "bindings": [oauth]})
        request = Request("GET", "https", "crm.example", 443, "/v1", "", (), b"")

        async def story() -> None:
            broker = Broker(References())
            for task in ("task_1", "task_2"):
                await broker.prepare(crm, request, caller(task=task), NOW)
            await broker.sweep(NOW, lambda identity, _: identity.proven.task == "task_1")
            assert len(server.live) == 1
            await broker.close(NOW)
            assert server.live == {}

        asyncio.run(story())
