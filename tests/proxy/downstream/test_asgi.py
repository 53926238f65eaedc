"""The middleware before an application that has no idea of us."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.downstream.account import Account
from proxy.downstream.asgi import RequireCountersign
from proxy.downstream.key_set import KeySet
from proxy.downstream.replays import InMemory
from proxy.downstream.signer import Signer
from tests.fakes.accounts import BODY, minted, signed_again, signer, verifier

OTHER = {"body_too_large": 413, "keys_unavailable": 503, "replay_store_full": 503}


class App:
    """Keeps what it was called with."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.read: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "http":
            self.read = [await receive(), await receive()]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture
def made(tmp_path: Path) -> Signer:
    return signer(tmp_path)


def scope(*tokens: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": "/v1/refunds",
        "raw_path": b"/v1/refunds",
        "query_string": b"",
        "headers": [(b"host", b"evil.example"), *((b"txn-token", token.encode()) for token in tokens)],
        **more,
    }


def call(app: RequireCountersign, scope: Any, *parts: bytes) -> list[Any]:
    """What is sent for this request, whose body comes in these parts."""
    last = len(parts) - 1
    waiting: list[Any] = [
        {"type": "http.request", "body": part, "more_body": number < last} for number, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent


def refused(sent: list[Any], kind: str = "http") -> str:
    """The reason of a complete refusal."""
    start, body = sent
    headers = dict(start["headers"])
    document = json.loads(body["body"])
    status = OTHER.get(document["reason"], 401)
    assert (start["type"], start["status"], document["status"]) == (f"{kind}.response.start", status, status)
    assert body["type"] == f"{kind}.response.body"
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    challenge = headers.get(b"www-authenticate")
    assert (challenge is None) if status != 401 else document["reason"].encode() in headers[b"www-authenticate"]
    assert headers[b"cache-control"] == b"no-store"
    assert document["detail"].endswith(".")
    return str(document["reason"])


def test_an_accounted_request_gets_through_with_its_account(made: Signer) -> None:
    """The account is in the scope, the body as it came, and what comes after it too."""
    app = App()
    sent = call(RequireCountersign(app, verifier(made)), scope(minted(made)), BODY[:5], BODY[5:])
    assert sent[0]["status"] == 200
    account = app.scopes[0]["countersign"]
    assert isinstance(account, Account)
    assert str(account) == "human:alice -> agent:bot (verified, jwt_svid)"
    assert app.read == [{"type": "http.request", "body": BODY, "more_body": False}, {"type": "http.disconnect"}]


@pytest.mark.parametrize(
    ("changes", "body", "reason"),
    [
        ({"method": "PUT"}, BODY, "method_differs"),
        ({"raw_path": b"/v1/refunds/7"}, BODY, "target_differs"),
        ({"raw_path": b"/v1/%72efunds"}, BODY, "target_differs"),
        ({"query_string": b"a=1"}, BODY, "target_differs"),
        ({}, BODY + b" ", "body_differs"),
        ({}, b"", "body_differs"),
        ({}, b"x" * 101, "body_too_large"),
        ({"headers": []}, BODY, "token_missing"),
        ({"headers": [(b"authorization", b"Txn-Token x")]}, BODY, "token_missing"),
        ({"headers": [(b"txn-token", b"")]}, BODY, "token_malformed"),
        ({"headers": [(b"txn-token", b"\xff\xfe")]}, BODY, "token_malformed"),
    ],
)
def test_another_request_does_not_get_through(made: Signer, changes: dict, body: bytes, reason: str) -> None:
    """The application is not called, whatever is different."""
    app = App()
    sent = call(RequireCountersign(app, verifier(made), max_body=100), scope(minted(made)) | changes, body)
    assert refused(sent) == reason
    assert app.scopes == []


def test_two_tokens_are_none(made: Signer) -> None:
    """It would be open which of them counts; header names are compared in lower case."""
    app = App()
    mine = RequireCountersign(app, verifier(made))
    assert refused(call(mine, scope(minted(made), minted(made)), BODY)) == "token_malformed"
    both = scope(minted(made))
    both["headers"].append((b"Txn-Token", b"x"))
    assert refused(call(mine, both, BODY)) == "token_malformed"
    assert app.scopes == []


def test_a_replay_does_not_get_through(made: Signer) -> None:
    """The same request with the same token, a second time."""
    app, token = App(), minted(made)
    mine = RequireCountersign(app, verifier(made))
    assert call(mine, scope(token), BODY)[0]["status"] == 200
    assert refused(call(mine, scope(token), BODY)) == "token_replayed"
    assert len(app.scopes) == 1


def test_what_is_not_the_senders_fault_is_told_apart(made: Signer) -> None:
    """Keys that cannot be had and a store that is full: asking again may help, showing another token does not."""

    def nowhere() -> bytes:
        raise OSError("nobody answers")

    app = App()
    without_keys = verifier(made)
    without_keys._keys = KeySet(nowhere)
    assert refused(call(RequireCountersign(app, without_keys), scope(minted(made)), BODY)) == "keys_unavailable"
    full = verifier(made, replays=InMemory(most=0))
    assert refused(call(RequireCountersign(app, full), scope(minted(made)), BODY)) == "replay_store_full"
    assert app.scopes == []


def test_a_body_in_endless_small_parts_is_cut_off(made: Signer) -> None:
    """The limit is on all parts together."""
    mine = RequireCountersign(App(), verifier(made), max_body=10)
    assert refused(call(mine, scope(minted(made)), *[b"xx"] * 20)) == "body_too_large"


def test_who_leaves_is_not_answered(made: Signer) -> None:
    """A request whose body never came whole is no request."""
    app = App()
    assert call(RequireCountersign(app, verifier(made)), scope(minted(made))) == []
    assert app.scopes == []


def test_a_server_without_raw_paths(made: Signer) -> None:
    """Then the path is written as it usually is; where that is not how it came, the request is refused."""
    app = App()
    mine = RequireCountersign(app, verifier(made))
    plain = scope(minted(made, path="/v1/a%20b/~c"), path="/v1/a b/~c")
    del plain["raw_path"]
    assert call(mine, plain, BODY)[0]["status"] == 200
    odd = scope(minted(made, path="/v1/%61"), path="/v1/a")
    del odd["raw_path"]
    assert refused(call(mine, odd, BODY)) == "target_differs"


def websocket(made: Signer, **more: Any) -> dict[str, Any]:
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    token = signed_again(made, minted(made), rctx={"method": "GET", "body_sha256": empty})
    return {**scope(token), "type": "websocket", **more}


def test_a_websocket_is_accounted_for_by_its_handshake(made: Signer) -> None:
    """It is a GET without a body."""
    app = App()
    assert call(RequireCountersign(app, verifier(made)), websocket(made)) == []
    assert app.scopes[0]["countersign"].actor == "agent:bot"


def test_a_websocket_without_account_is_closed_before_it_opens(made: Signer) -> None:
    """With a problem document where the server can send one."""
    app = App()
    mine = RequireCountersign(app, verifier(made))
    assert call(mine, websocket(made, headers=[])) == [{"type": "websocket.close", "code": 1008}]
    sent = call(mine, websocket(made, headers=[], extensions={"websocket.http.response": {}}))
    assert refused(sent, "websocket.http") == "token_missing"
    with_a_body = scope(signed_again(made, minted(made), rctx={"method": "GET"}))["headers"]
    sent = call(mine, websocket(made, headers=with_a_body, extensions={"websocket.http.response": {}}))
    assert refused(sent, "websocket.http") == "body_differs"
    assert refused(call(mine, websocket(made) | {"type": "http", "method": "GET"}, b"x")) == "body_differs"
    assert app.scopes == []


def test_starting_and_stopping_go_through(made: Signer) -> None:
    """Nobody is behind them."""
    app = App()
    call(RequireCountersign(app, verifier(made)), {"type": "lifespan"})
    assert app.scopes == [{"type": "lifespan"}]


def test_an_unknown_kind_of_request_is_not_passed_on(made: Signer) -> None:
    """What cannot be judged does not happen."""
    app = App()
    with pytest.raises(RuntimeError, match="webtransport"):
        call(RequireCountersign(app, verifier(made)), {"type": "webtransport"})
    assert app.scopes == []


def test_no_token_is_logged(made: Signer, caplog: pytest.LogCaptureFixture) -> None:
    """The reason is; the token, replayable or not, is nowhere."""
    caplog.set_level("DEBUG")
    token = minted(made)
    mine = RequireCountersign(App(), verifier(made))
    refused(call(mine, scope(token, method="PUT"), BODY))
    assert "method_differs" in caplog.text
    assert token[-40:] not in caplog.text


def test_a_service_loads_the_middleware_and_little_else() -> None:
    """PyJWT, and nothing that is only for the proxy: neither mitmproxy nor a policy engine, a server or a model."""
    script = "import sys, proxy.downstream.asgi; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert {"proxy", "jwt"} <= {*loaded}
    heavy = {
        "mitmproxy",
        "cedarpy",
        "pydantic",
        "starlette",
        "httpx",
        "orjson",
        "opentelemetry",
        "policies",
        "telemetry",
    }
    assert heavy.isdisjoint(loaded)
