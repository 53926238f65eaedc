"""Which answers of an authorization server are taken, and how we show who we are."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.credentials.endpoints import Endpoints
from proxy.credentials.interfaces import Held
from proxy.credentials.oauth import LONGEST_LIFE, UNSAID_LIFE, TokenEndpoint
from proxy.credentials.references import References
from proxy.errors import Refused
from proxy.facts import OAuthClientCredentialsBinding
from proxy.stages import Secret
from tests.fakes.authorities import OAuthServer
from tests.fakes.delegations import NOW
from tests.fakes.issuer import private_key

ENDPOINTS = Endpoints()
GRANT = [("grant_type", "client_credentials")]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OAuthServer]:
    """A server, and its client's secret."""
    with OAuthServer() as running:
        monkeypatch.setenv("SECRET", running.secret)
        yield running


def bound(server: OAuthServer, **changes: Any) -> OAuthClientCredentialsBinding:
    """A binding to this server."""
    good: dict[str, Any] = {
        "id": "crm", "token_url": f"{server.url}/token", "revocation_url": f"{server.url}/revoke",
        "client_id": server.client, "secret": "env:SECRET", "scope": ("crm.read", "crm.write"), "methods": ("GET",),
        "paths": ("/*",), "unsafe_http_loopback": True,
    }  # fmt: skip
    return OAuthClientCredentialsBinding(**(good | changes))


def token(server: OAuthServer, **changes: Any) -> Held[Secret]:
    """A token of this server."""
    return asyncio.run(TokenEndpoint(References(), ENDPOINTS).token(bound(server, **changes), GRANT, NOW))


def refused(server: OAuthServer, **changes: Any) -> str:
    """Why there is none."""
    with pytest.raises(Refused) as caught:
        token(server, **changes)
    assert server.secret not in str(caught.value)
    return caught.value.refusal.internal


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post"])
def test_the_client_shows_its_secret(server: OAuthServer, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 6749 section 2.3.1: in the header, form-encoded first, or in the form; a wrong one is told by its code."""
    assert token(server, client_auth=way).value.value in server.live
    monkeypatch.setenv("SECRET", "a wrong secret")
    assert refused(server, client_auth=way).endswith("status 401 invalid_client")


def test_the_client_signs_an_assertion(server: OAuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7523: about itself, for the token endpoint, for a minute, with its key's id; each has an id of its own."""
    key = private_key("ES256")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    monkeypatch.setenv("SECRET", pem)
    server.public_key = key.public_key()
    for _ in range(2):
        token(server, client_auth="private_key_jwt", key_id="k1")
    first, second = (seen.form["client_assertion"] for seen in server.seen)
    assert first != second
    assert "authorization" not in server.seen[0].headers
    assert not refused(server, client_auth="private_key_jwt", algorithm="RS256").count("BEGIN")


def test_what_the_token_is_for_is_said(server: OAuthServer) -> None:
    """Scope as one field, each resource (RFC 8707) and audience as a field of its own."""
    token(server, resource=("https://a.example", "https://b.example"), audience=("crm", "erp"))
    pairs = server.seen[0].pairs
    assert ("scope", "crm.read crm.write") in pairs
    assert [value for name, value in pairs if name == "resource"] == ["https://a.example", "https://b.example"]
    assert [value for name, value in pairs if name == "audience"] == ["crm", "erp"]


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (60, 60), ("60", 60), (60.5, 60.5), (None, UNSAID_LIFE), (True, UNSAID_LIFE), ("soon", UNSAID_LIFE),
        (10**9, LONGEST_LIFE), ("9" * 30, LONGEST_LIFE), (0, 0), (-5, 0),
    ],
)  # fmt: skip
def test_a_token_lives_as_long_as_it_says(server: OAuthServer, expires_in: object, life: float) -> None:
    """A number, also as text; unsaid or unreadable means a short life, and none lasts longer than a day."""
    server.members = {"expires_in": expires_in}
    assert token(server).expires_at == NOW + life


@pytest.mark.parametrize(
    "members",
    [
        {"token_type": "DPoP"}, {"token_type": None}, {"token_type": 1}, {"access_token": None},
        {"access_token": 12345678}, {"access_token": ""}, {"access_token": "short"}, {"access_token": "with\nnewline"},
        {"access_token": "t\u00f6ken-123"},
        {"scope": "crm.read admin"}, {"scope": ["crm.read"]}, {"scope": "CRM.READ"},
    ],
)  # fmt: skip
def test_what_is_no_token_of_ours_is_not_used(server: OAuthServer, members: dict[str, Any]) -> None:
    """Another type, text that no header carries, or more scope than was asked for."""
    server.members = members
    assert refused(server)


@pytest.mark.parametrize("members", [{"scope": "crm.read"}, {"scope": None}, {"scope": ""}, {"token_type": "bearer"}])
def test_what_is_as_asked_or_narrower_is_used(server: OAuthServer, members: dict[str, Any]) -> None:
    """Less scope is the server's right; unsaid means as asked (RFC 6749 section 5.1)."""
    server.members = members
    assert token(server).value


def test_a_refresh_token_is_not_kept(server: OAuthServer) -> None:
    """Nothing but the access token stays."""
    server.members = {"refresh_token": "a-refresh-token"}
    assert "a-refresh-token" not in str(token(server)) + token(server).value.value


def test_a_token_is_ended_at_its_source(server: OAuthServer) -> None:
    """RFC 7009: 200 ends it, known or not; anything else is a failure."""
    tokens, binding, held = TokenEndpoint(References(), ENDPOINTS), bound(server), token(server)
    assert held.revocable
    for _ in range(2):
        asyncio.run(tokens.revoke(binding, held, NOW))
    assert server.live == {}
    server.broken = (503, {}, b"")
    with pytest.raises(Refused):
        asyncio.run(tokens.revoke(binding, held, NOW))
