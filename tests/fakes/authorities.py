"""Servers that give out credentials, over real HTTP on loopback; and a small OAuth authorization server."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote_plus

import jwt

type Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=bool(self.body)))

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.body.decode())


def as_json(status: int, members: dict[str, Any]) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(members).encode()


class Authority:
    """A server that answers with `respond`, unless `broken` says otherwise. `issued` counts what it gave out.

    `before` runs first, in the thread of each request: it may keep some of them waiting.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.broken: Answer | None = None
        self.before: Callable[[Seen], object] = lambda _: None
        self.issued = 0
        self.life = 3600
        self._lock = threading.Lock()

    def respond(self, seen: Seen) -> Answer:
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def number(self) -> int:
        self.issued += 1
        return self.issued

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                seen = Seen(self.command, self.path, headers, body)
                authority.before(seen)
                with authority._lock:
                    authority.seen.append(seen)
                    status, head, content = authority.broken or authority.respond(seen)
                self.send_response(status)
                for name, value in ({"content-length": str(len(content))} | head).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the server's names

            def log_message(self, *_: object) -> None:
                """Tests do not whisper."""

        return Handler


class OAuthServer(Authority):
    """RFC 6749 client credentials, RFC 8693 exchange, RFC 7009 revocation; knows one client, in three ways.

    `reads` says whom a `subject` or `actor` token is about, where it reads them instead of knowing them.
    """

    def __init__(self, client: str = "countersign", secret: str = "s3cr3t/of+the client") -> None:
        super().__init__()
        self.client, self.secret = client, secret
        self.public_key: Any = None
        self.subjects: dict[str, str] = {}
        self.live: dict[str, dict[str, str]] = {}
        self.members: dict[str, Any] = {}
        self.reads: Callable[[str, str], str] | None = None

    def respond(self, seen: Seen) -> Answer:
        if not self._knows(seen):
            return as_json(401, {"error": "invalid_client", "error_description": f"not {self.secret}"})
        form = seen.form
        if seen.path == "/revoke":
            self.live.pop(form.get("token", ""), None)
            return 200, {}, b""
        about = {"scope": form.get("scope", ""), "audience": form.get("audience", "")}
        exchanged = form.get("grant_type", "").endswith(":token-exchange")
        if exchanged:
            if self.reads is not None:
                shown = form["subject_token"]
                subject = self.reads(shown, "subject")
                self.subjects = {shown: subject} if subject else {}
            if form.get("subject_token") not in self.subjects or ("actor_token" in form) != (
                "actor_token_type" in form
            ):
                return as_json(400, {"error": "invalid_request"})
            actor = form.get("actor_token", "")
            actor = self.reads(actor, "actor") if self.reads is not None else actor
            about |= {"sub": self.subjects[form["subject_token"]], "act": actor}
        elif form.get("grant_type") != "client_credentials":
            return as_json(400, {"error": "unsupported_grant_type"})
        token = f"at-{self.number()}-{'x' * 20}"
        self.live[token] = about
        members = {"access_token": token, "token_type": "Bearer", "expires_in": self.life, "scope": about["scope"]}
        if exchanged:
            members["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        members |= self.members
        return as_json(200, {name: value for name, value in members.items() if value is not None})

    def _knows(self, seen: Seen) -> bool:
        form = seen.form
        scheme, _, value = seen.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            name, _, secret = base64.b64decode(value).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (self.client, self.secret)
        if assertion := form.get("client_assertion"):
            claims = jwt.decode(
                assertion, self.public_key, algorithms=["ES256"], audience=f"{self.url}/token",
                options={"verify_exp": False, "verify_iat": False, "require": ["jti", "exp", "iat"]},
            )  # fmt: skip
            return claims["iss"] == claims["sub"] == self.client and claims["exp"] - claims["iat"] <= 60
        return (form.get("client_id"), form.get("client_secret")) == (self.client, self.secret)


def broken_answers(url: str) -> Iterator[Answer]:
    """What an endpoint may do wrong: none of it is a credential."""
    yield 500, {}, b"oops"
    yield 302, {"location": f"{url}/elsewhere"}, b""
    yield 307, {"location": f"{url}/elsewhere"}, b""
    yield 200, {}, b""
    yield 200, {}, b"[]"
    yield 200, {}, b"{}"
    yield 201, {}, b'{"token": 7}'
    yield 200, {}, b"<html>"
    yield 200, {"content-encoding": "gzip"}, b"{}"
    yield 200, {}, b" " * 70_000
    yield 204, {}, b""
