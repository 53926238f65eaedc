"""What holds for every request to the control process, whatever it asks: an ASGI middleware.

The proxy's own port is never a way here, a browser tricked by DNS rebinding or a foreign page is turned
away before any handler runs, and no answer may be framed, cached or sniffed.
"""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from proxy.control.problems import problem
from proxy.errors import Declined

MAX_BODY = 65_536
SAFE_METHODS = frozenset({"GET", "HEAD"})
METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}

# A part of an inventory is larger than anything else that is sent to us; only the operator's is read.
INVENTORY_PATH = "/v1/inventory/"
MAX_INVENTORY = 4 << 20

# Here machines show themselves in the request itself; nothing that a browser adds by itself counts.
MACHINES_PATHS = ("/oauth2/", "/ssf/")

# Set by the operator's socket on each of its connections, and by nothing that a client can send.
PEER = "countersign_peer"


@dataclass(frozen=True, slots=True)
class Peer:
    """The local process at the other end of the operator's socket, as the kernel names it."""

    uid: int
    pid: int


def peer_of(scope: Scope) -> Peer | None:
    """The local operator's process, if the request came over the operator's socket and is allowed to."""
    peer = scope.get("state", {}).get(PEER)
    return peer if isinstance(peer, Peer) and peer.uid in {0, os.getuid()} else None


_DEFAULTS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not `no-referrer`: browsers then send `Origin: null` with our own forms
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}


class Guard:
    """Lets through only requests that were meant for us, and puts the same headers on every answer."""

    def __init__(self, app: ASGIApp, *, origins: tuple[str, ...]) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._hosts = frozenset(urlsplit(origin).netloc for origin in origins)
        self._secure = bool(origins) and all(origin.startswith("https://") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        most = _most(scope)
        body = _Limited(receive, most)
        dressed = self._dressed(send)
        try:
            self._check(scope, most)
        except Declined as declined:
            await problem(declined)(scope, receive, dressed)
            return
        await self._app(scope, body, dressed)

    def _check(self, scope: Scope, most: int) -> None:
        headers = Headers(scope=scope)
        if any(name.startswith("proxy-") for name in headers):
            raise Declined(400, "through_a_proxy", "the control API is not reached through a proxy")
        if scope["method"] not in METHODS:
            raise Declined(405, "method_unknown", "use GET, HEAD, POST, PUT, PATCH or DELETE")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise Declined(413, "body_too_large", f"a request body has at most {most} bytes")
        if peer_of(scope) is not None:
            return
        if PEER in scope.get("state", {}):
            raise Declined(403, "not_the_operator", "this socket is for the user who runs Countersign")
        self._check_browser(scope["method"], headers, machines=scope["path"].startswith(MACHINES_PATHS))

    def _check_browser(self, method: str, headers: Headers, *, machines: bool) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise Declined(421, "host_unknown", "this is not a name under which the control API is served")
        if method in SAFE_METHODS:
            return
        origins = headers.getlist("origin")
        if any(origin not in self._origins for origin in origins):
            raise Declined(403, "origin_foreign", "this request was sent by another site")
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise Declined(403, "origin_foreign", "this request was sent by another site")
        if not origins and "authorization" not in headers and not machines:
            raise Declined(403, "origin_missing", "a request without a token must say where it comes from")

    def _dressed(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _DEFAULTS.items():
                    headers.setdefault(name, value)
                if self._secure:
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        return with_headers


def _most(scope: Scope) -> int:
    """The most bytes that a body may have: more only for the operator, over the local socket, with an inventory."""
    whole = scope["method"] == "PUT" and scope["path"].startswith(INVENTORY_PATH) and peer_of(scope) is not None
    return MAX_INVENTORY if whole else MAX_BODY


class _Limited:
    """Reads a body of at most this many bytes, whatever its declared length."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._most = most
        self._read = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self._most:
            raise Declined(413, "body_too_large", f"a request body has at most {self._most} bytes")
        return message
