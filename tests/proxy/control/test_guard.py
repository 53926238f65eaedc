"""What turns a request away before any handler sees it."""

import asyncio
import os
from typing import Any

import httpx
import pytest

from proxy.control.guard import MAX_BODY, PEER, Guard, Peer, peer_of
from tests.fakes.control_house import ORIGIN, House

REFUSED_HEADERS: list[tuple[str, dict[str, str], int, str]] = [
    ("another host", {"host": "evil.example"}, 421, "host_unknown"),
    ("another port", {"host": "127.0.0.1:1"}, 421, "host_unknown"),
    ("a name that resolves to us", {"host": "localhost.evil.example:8700"}, 421, "host_unknown"),
    ("the proxy's own credentials", {"proxy-authorization": "Basic YTpi"}, 400, "through_a_proxy"),
    ("the proxy's connection header", {"proxy-connection": "keep-alive"}, 400, "through_a_proxy"),
]


@pytest.mark.parametrize(("why", "headers", "status", "code"), REFUSED_HEADERS, ids=lambda part: str(part)[:30])
def test_a_request_that_was_not_meant_for_us_is_refused(
    house: House, why: str, headers: dict[str, str], status: int, code: str
) -> None:
    """DNS rebinding and the proxy's own port never lead to the API, also with a good token."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            answer = await client.get("/v1/holds", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), why

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"origin": "https://evil.example"}, "origin_foreign"),
        ({"origin": "null"}, "origin_foreign"),
        ({"origin": "http://127.0.0.1:8701"}, "origin_foreign"),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, "origin_foreign"),
        ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, "origin_foreign"),
        ({}, "origin_missing"),
    ],
)
def test_a_cookie_changes_nothing_from_elsewhere(house: House, headers: dict[str, str], code: str) -> None:
    """A session cookie is not enough to change anything: the request must come from our own page."""

    async def scenario() -> None:
        cookie = {"cookie": f"countersign_session={await house.session('alice')}"}
        async with house.client(**cookie, **headers) as client:
            answer = await client.post("/v1/revocations", json={"scope": "agent:support-bot", "reason": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, code)
        assert house.revocations.in_force() == []

    asyncio.run(scenario())


def test_a_foreign_origin_is_refused_with_a_good_token(house: House) -> None:
    """A page elsewhere that has learned a token still cannot use it from a browser."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            answer = await client.post(
                "/v1/revocations",
                json={"scope": "agent:support-bot", "reason": "x"},
                headers={"origin": "https://evil.example"},
            )
        assert answer.status_code == 403

    asyncio.run(scenario())


def test_every_answer_carries_the_same_guards(house: House) -> None:
    """No answer may be framed, sniffed, cached or scripted: refusals, probes and data alike."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            for path in ("/healthz", "/v1/holds", "/nothing", "/openapi.json"):
                answer = await client.get(path)
                assert answer.headers["x-frame-options"] == "DENY"
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cache-control"] == "no-store"
                assert "strict-transport-security" not in answer.headers
                assert "access-control-allow-origin" not in answer.headers

    asyncio.run(scenario())


def test_over_tls_browsers_are_told_to_stay_there(tmp_path: Any) -> None:
    """With TLS addresses only, answers carry HSTS and the cookie's name binds it to this host."""
    house = House(tmp_path, origins=("https://sign.example",))

    async def scenario() -> None:
        transport = httpx.ASGITransport(house.app)
        async with httpx.AsyncClient(transport=transport, base_url="https://sign.example") as client:
            answer = await client.get("/healthz")
        assert answer.headers["strict-transport-security"].startswith("max-age=")
        assert house.door.cookie.startswith("__Host-")

    asyncio.run(scenario())
    house.close()


def test_without_an_address_the_network_gets_nothing(tmp_path: Any) -> None:
    """No configured origin means that no Host is ours: only the operator's socket is served."""
    house = House(tmp_path, origins=())

    async def scenario() -> None:
        async with house.client() as client:
            assert (await client.get("/healthz")).status_code == 421
        async with house.operator() as client:
            assert (await client.get("/v1/holds")).status_code == 200

    asyncio.run(scenario())
    house.close()


@pytest.mark.parametrize("declared", [True, False])
def test_a_large_body_is_refused(house: House, declared: bool) -> None:
    """Beyond the limit nothing is read, whether or not the length is declared."""

    async def chunks() -> Any:
        for _ in range(9):
            yield b" " * 8192

    async def scenario() -> None:
        async with await house.person("alice") as client:
            body: Any = b" " * (MAX_BODY + 1) if declared else chunks()
            answer = await client.post("/v1/revocations", content=body, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(house: House, method: str) -> None:
    """There is no CORS preflight to pass, and no method that we do not know."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            assert (await client.request(method, "/v1/holds")).status_code == 405

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("peer", "operator"),
    [
        (Peer(uid=0, pid=1), True),
        (Peer(uid=os.getuid(), pid=1), True),
        (Peer(uid=os.getuid() + 1, pid=1), False),
        (Peer(uid=-1, pid=0), False),
        ({"uid": 0}, False),
        (None, False),
    ],
)
def test_only_our_own_user_is_the_operator(peer: object, operator: bool) -> None:
    """The kernel's word decides: our user or root, in the form that only the socket's protocol makes."""
    assert (peer_of({"type": "http", "state": {PEER: peer}}) is not None) is operator


def test_another_user_on_the_operators_socket_is_refused(house: House) -> None:
    """Should somebody else get at the socket, they get nothing, not even the probes."""

    async def scenario() -> None:
        async with house.operator(uid=os.getuid() + 1) as client:
            answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_the_operator")

    asyncio.run(scenario())


def test_a_web_socket_is_closed() -> None:
    """There is none here, so a handshake is turned away."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def never(*_: Any) -> None:
        raise AssertionError("the application was reached")

    asyncio.run(Guard(never, origins=(ORIGIN,))({"type": "websocket"}, never, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
