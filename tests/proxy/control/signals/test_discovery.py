"""A transmitter's keys, by its own document."""

import asyncio

import httpx
import pytest
import respx

from proxy.control.signals.discovery import DiscoveredOrigin, configuration_url
from proxy.control.signals.model import Transmitter
from proxy.control.signals.sets import SetReader
from proxy.errors import Refused
from proxy.identity.issuers import IssuerSettings
from proxy.identity.origins import FetchFailed
from tests.fakes.issuer import ISSUER, NOW, jwk, key_set
from tests.fakes.signal_house import OURS, set_token

URL = configuration_url(ISSUER)
KEYS = f"{ISSUER}/keys"


def hear():
    profile = IssuerSettings(ISSUER, OURS, ("RS256",), typ="secevent+jwt", jwks_url=URL)
    reader = SetReader([Transmitter(profile, discovered=True)])
    return asyncio.run(reader.verify(reader.open(set_token()), NOW))


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://idp.example", "https://idp.example/.well-known/ssf-configuration"),
        ("https://idp.example/", "https://idp.example/.well-known/ssf-configuration"),
        ("https://idp.example:8443/tenant/1", "https://idp.example:8443/.well-known/ssf-configuration/tenant/1"),
    ],
)
def test_where_the_document_is(issuer, url):
    """The well-known part comes before the issuer's own path (SSF 1.0 section 7.2)."""
    assert configuration_url(issuer) == url


@respx.mock
def test_keys_are_found_by_the_document():
    """A token is verified by what it points to."""
    respx.get(URL).respond(json={"issuer": ISSUER, "jwks_uri": KEYS})
    respx.get(KEYS).respond(content=key_set(jwk("RS256")))
    assert hear().token_id == "set-1"


@respx.mock
@pytest.mark.parametrize(
    "document",
    [
        {"json": {"issuer": "https://evil.example", "jwks_uri": KEYS}},
        {"json": {"issuer": f"{ISSUER}/", "jwks_uri": KEYS}},
        {"json": {"issuer": ISSUER, "jwks_uri": "https://evil.example/keys"}},
        {"json": {"issuer": ISSUER, "jwks_uri": "http://idp.example/keys"}},
        {"json": {"issuer": ISSUER, "jwks_uri": "https://idp.example@evil.example/keys"}},
        {"json": {"issuer": ISSUER, "jwks_uri": "https://["}},
        {"json": {"issuer": ISSUER, "jwks_uri": [KEYS]}},
        {"json": {"issuer": ISSUER}},
        {"json": []},
        {"content": b"{"},
        {"status_code": 404},
        {"status_code": 302, "headers": {"location": KEYS}},
    ],
)
def test_a_document_that_is_not_to_be_believed_gives_no_keys(document):
    """Of another issuer, pointing to another host, or none: the token is to be sent again, and ends nothing."""
    respx.get(URL).respond(**document)
    other = respx.get(host="evil.example").respond(content=key_set(jwk("RS256")))
    with pytest.raises(Refused) as refused:
        hear()
    assert refused.value.refusal.status == 503
    assert not other.called


@respx.mock
def test_keys_that_moved_are_followed():
    """The document is read anew each time."""
    respx.get(URL).side_effect = [
        httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/{name}"}) for name in ("a", "a", "b")
    ]
    for name in ("a", "b"):
        respx.get(f"{ISSUER}/{name}").respond(content=name.encode())

    async def main():
        origin = DiscoveredOrigin(ISSUER, URL, None)
        return [(await origin.fetch()).body for _ in range(3)]

    assert asyncio.run(main()) == [b"a", b"a", b"b"]
    assert issubclass(FetchFailed, Exception)
