"""ASGI middleware: lets through only requests that Countersign accounts for, with the account in the scope."""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from proxy.downstream.account import Account
from proxy.downstream.profile import HEADER, Rejected
from proxy.downstream.verifier import Verifier, require_body

log = logging.getLogger("countersign.downstream")

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


class RequireCountersign:
    """Around an application, or around the part of it that agents call. The account is `scope["countersign"]`.

    A body is read, up to `max_body` bytes, before the application is called: it must be the one that was decided on.
    """

    def __init__(self, app: App, verifier: Verifier, *, max_body: int = 1 << 20) -> None:
        self._app = app
        self._verifier = verifier
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._app(scope, receive, send)
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case other:
                raise RuntimeError(f"`{other}` is not a kind of request that can be accounted for")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            account = await self._account(scope, scope["method"])
            body = await self._body(receive)
            if body is None:
                return  # the sender has left
            require_body(account, body)
        except Rejected as rejected:
            await _refuse(rejected, send, "http")
            return
        await self._app({**scope, "countersign": account}, _replayed(body, receive), send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            account = await self._account(scope, "GET")
            require_body(account, b"")
        except Rejected as rejected:
            if "websocket.http.response" in (scope.get("extensions") or {}):
                await _refuse(rejected, send, "websocket.http")
            else:
                log.info("a WebSocket is not accounted for: %s", rejected.reason)
                await send({"type": "websocket.close", "code": 1008})
            return
        await self._app({**scope, "countersign": account}, receive, send)

    async def _account(self, scope: Scope, method: str) -> Account:
        found = [value for name, value in scope["headers"] if name.lower() == HEADER.encode()]
        if not found:
            raise Rejected("token_missing", "This service takes calls that come through Countersign, with a Txn-Token.")
        if len(found) > 1:
            raise Rejected("token_malformed", "There is more than one Txn-Token.")
        return await self._verifier.verify_async(found[0].decode("latin-1"), method=method, target=_target(scope))

    async def _body(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_body:
                raise Rejected("body_too_large", f"A body has at most {self._max_body} bytes here.", 413)
            if not message.get("more_body", False):
                return bytes(body)


def _target(scope: Scope) -> str:
    """Path and query as they came over the wire, if the server says so; else as they are usually written."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw else quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What was read already, once; then whatever comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


async def _refuse(rejected: Rejected, send: Send, kind: str) -> None:
    """A problem document (RFC 9457) with the reason. The token itself is said and logged nowhere."""
    log.info("a request is not accounted for: %s", rejected.reason)
    document = {
        "type": "about:blank",
        "title": "This request is not accounted for",
        "status": rejected.status,
        "reason": rejected.reason,
        "detail": rejected.detail,
    }
    body = json.dumps(document).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if rejected.status == 401:
        headers.append((b"www-authenticate", f'Txn-Token realm="countersign", error="{rejected.reason}"'.encode()))
    await send({"type": f"{kind}.response.start", "status": rejected.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
