"""The requests by which we obtain credentials. What answers may be wrong is in tests/conformance/credential_kind.py."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import trustme

from proxy.credentials import endpoints
from proxy.credentials.endpoints import EndpointReply, Endpoints
from proxy.errors import Refused
from proxy.facts import OAuthClientCredentialsBinding

URL = "https://idp.example/token"


def bound(**changes: Any) -> OAuthClientCredentialsBinding:
    """A binding whose endpoint is changed as told."""
    good: dict[str, Any] = {
        "id": "crm", "token_url": URL, "client_id": "c", "secret": "env:SECRET", "methods": ("GET",), "paths": ("/*",),
    }  # fmt: skip
    return OAuthClientCredentialsBinding(**(good | changes))


def call(url: str = URL, **changes: Any) -> EndpointReply:
    """The answer to one request."""
    return asyncio.run(Endpoints().call(bound(**changes), "POST", url, {"x-said": "1"}, b"content"))


def refused(url: str = URL, **changes: Any) -> str:
    """Why there is none, in words for the record."""
    with pytest.raises(Refused) as caught:
        call(url, **changes)
    refusal = caught.value.refusal
    assert (refusal.status, refusal.reason) == (503, "credential_unavailable")
    return refusal.internal


@respx.mock
def test_an_answer_comes_back_whatever_its_status() -> None:
    """Status and body; the request carries what was given, and asks for JSON that is not encoded."""
    route = respx.post(URL).respond(418, text="teapot")
    reply = call()
    assert (reply.status, reply.body) == (418, b"teapot")
    sent = route.calls.last.request
    assert (sent.content, sent.headers["x-said"]) == (b"content", "1")
    assert (sent.headers["accept"], sent.headers["accept-encoding"]) == ("application/json", "identity")


@respx.mock
@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("secret"), httpx.ReadTimeout("secret"), httpx.RemoteProtocolError("secret"), OSError(5)],
)
def test_what_fails_on_the_way_is_a_refusal(error: Exception) -> None:
    """By its kind only, since its text may quote what was sent."""
    respx.post(URL).mock(side_effect=error)
    assert refused() == f"{URL}: {type(error).__name__}"


@respx.mock
def test_a_slow_endpoint_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole exchange has a bound, however it is spread."""

    async def never(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(endpoints, "WITHIN_SECONDS", 0.01)
    respx.post(URL).mock(side_effect=never)
    assert "no answer within" in refused()


@respx.mock
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """An endpoint that points elsewhere is a refusal, and elsewhere is never asked."""
    other = respx.route(host="other.example").respond(200)
    respx.post(URL).respond(status, headers={"location": "https://other.example/"})
    assert "a redirect" in refused()
    assert not other.called


@respx.mock
@pytest.mark.parametrize(
    ("url", "loopback", "allowed"),
    [
        ("http://127.0.0.1:1/t", True, True),
        ("http://localhost:1/t", True, True),
        ("http://[::1]:1/t", True, True),
        ("http://127.0.0.1:1/t", False, False),
        ("http://10.0.0.1/t", True, False),
        ("http://localhost.example/t", True, False),
        ("http://idp.example/t", True, False),
        ("https://user@idp.example/t", False, False),
        ("ftp://127.0.0.1/t", True, False),
        ("https:///t", True, False),
        ("", True, False),
    ],
)
def test_only_https_or_this_machine_if_it_is_allowed(url: str, loopback: bool, allowed: bool) -> None:
    """Anything else is a refusal before a byte is sent."""
    route = respx.route().respond(200)
    if allowed:
        assert call(url, unsafe_http_loopback=loopback).status == 200
    else:
        assert "an endpoint is `https://`" in refused(url, unsafe_http_loopback=loopback)
        assert not route.called


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTPS_PROXY` may be ourselves: it is not asked, so an endpoint that nobody answers at stays unanswered."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:2")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:2")
    assert "ConnectError" in refused("http://127.0.0.1:1/t", unsafe_http_loopback=True)


def test_the_endpoint_must_prove_its_name(tmp_path: Path) -> None:
    """A certificate of an unknown authority is refused; one of the bundle's authority, for this name, is taken."""
    authority, other = trustme.CA(), trustme.CA()
    for name, ca in (("good.pem", authority), ("other.pem", other)):
        ca.cert_pem.write_to_path(str(tmp_path / name))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"content")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            url = f"https://localhost:{server.sockets[0].getsockname()[1]}/t"
            good, called = bound(ca_bundle=str(tmp_path / "good.pem")), Endpoints()
            assert (await called.call(good, "POST", url, {}, b"content")).status == 200
            for wrong in (bound(), bound(ca_bundle=str(tmp_path / "other.pem")), bound(ca_bundle=str(tmp_path / "no"))):
                with pytest.raises(Refused):
                    await called.call(wrong, "POST", url, {}, b"content")
            with pytest.raises(Refused):
                await called.call(good, "POST", url.replace("localhost", "127.0.0.1"), {}, b"content")

    asyncio.run(story())


def test_an_error_is_told_by_its_code_only() -> None:
    """The code of OAuth is told, free text never: it may quote what we sent."""

    def why(body: bytes) -> str:
        with pytest.raises(Refused) as caught:
            EndpointReply(URL, 400, body).members(200)
        return caught.value.refusal.internal

    assert why(b'{"error": "invalid_client", "error_description": "no s3cr3t"}') == f"{URL}: status 400 invalid_client"
    for body in (b'{"error": "a s3cr3t"}', b'{"error": 7}', b"s3cr3t", b"[]", b""):
        assert why(body) == f"{URL}: status 400"
    assert "s3cr3t" not in repr(EndpointReply(URL, 400, b"s3cr3t"))
