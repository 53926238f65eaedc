"""The authorization server, whichever door a request comes in by: tokens, questions about them, their end."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from policies.model import Json
from proxy.control.oauth.clients import authenticate, authenticate_reader
from proxy.control.oauth.forms import Form, Sent, read_form
from proxy.control.oauth.grants import Grants
from proxy.control.oauth.metadata import metadata
from proxy.control.oauth.minting import Mint
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.rates import Rates
from proxy.errors import StoreUnavailable
from proxy.facts import Service
from proxy.stages import Headers, Identity, Reply
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.tokens")

type Act = Callable[[Form, Sent], Awaitable[Reply]]

_FRESH: Headers = (("cache-control", "no-store"), ("pragma", "no-cache"))
_JSON: Headers = (("content-type", "application/json"),)


class TokenServer:
    """Answers for every path that it serves. Nothing is looked at before the client is known; whatever fails on the
    way is no token."""

    def __init__(self, deps: OAuthDeps, rates: Rates | None = None) -> None:
        self._deps = deps
        self._rates = rates or Rates()
        self._grants, self._mint = Grants(deps), Mint(deps)
        self._posted: Mapping[str, Act] = {
            "/oauth2/token": self._token,
            "/oauth2/introspect": self._introspect,
            "/oauth2/revoke": self._revoke,
        }
        self._shown: Mapping[str, Callable[[], Mapping[str, Json]]] = {
            "/.well-known/oauth-authorization-server": lambda: metadata(deps),
            "/.well-known/jwks.json": lambda: deps.jwks(deps.clock()),
        }

    @property
    def posted(self) -> tuple[str, ...]:
        """Paths that take a form."""
        return tuple(self._posted)

    @property
    def shown(self) -> tuple[str, ...]:
        """Paths that anybody may read."""
        return tuple(self._shown)

    async def reply(self, sent: Sent) -> Reply:
        """The answer. A path that is not served, or that takes another method, is said to be so."""
        act, document = self._posted.get(sent.path), self._shown.get(sent.path)
        if document is not None:
            return _answer(document()) if sent.method in {"GET", "HEAD"} else _other_method("GET")
        if act is None:
            return Reply(404, (*_FRESH, *_JSON), b'{"error":"not_found"}')
        if sent.method != "POST":
            return _other_method("POST")
        try:
            return await act(read_form(sent), sent)
        except OAuthMistake as mistake:
            return _refused(mistake)
        except (StoreUnavailable, AuditUnavailable) as error:
            log.error("no token can be issued: %s", error)  # noqa: TRY400 - the text says what is wrong
            return _refused(OAuthMistake("temporarily_unavailable", "try again in a moment", 503))

    async def _token(self, form: Form, sent: Sent) -> Reply:
        client = await authenticate(form, sent, self._deps)
        try:
            self._require_room(f"agent:{client.agent.id}")
            return _answer(await self._mint.issue(await self._grants.decide(form, client), client))
        except OAuthMistake as mistake:
            if mistake.status != 429:  # one that only asks too often would fill the log
                await self._record_refusal(client, mistake)
            raise

    async def _introspect(self, form: Form, sent: Sent) -> Reply:
        reader = await authenticate_reader(form, sent, self._deps)
        self._require_room(f"service:{reader.id}" if isinstance(reader, Service) else f"agent:{reader.agent.id}")
        return _answer(await self._mint.introspect(form.need("token"), reader))

    async def _revoke(self, form: Form, sent: Sent) -> Reply:
        """Never bounded: whoever wants to end a token must not have to wait."""
        client = await authenticate(form, sent, self._deps)
        await self._mint.revoke(form.need("token"), client)
        return Reply(200, _FRESH, b"")

    def _require_room(self, client: str) -> None:
        wait = self._rates.wait(client, self._deps.clock())
        if wait:
            raise OAuthMistake("temporarily_unavailable", "this client asks too often; wait", 429, retry_after=wait)

    async def _record_refusal(self, client: Identity, mistake: OAuthMistake) -> None:
        await self._deps.record(
            {
                "type": "token.refused",
                "change": {
                    "what": f"agent:{client.agent.id}",
                    "by": f"agent:{client.agent.id}",
                    "kind": mistake.error,
                    "reason": str(mistake)[:500],
                    "details": [f"shown={client.proven.method}"],
                },
            }
        )


def _answer(body: Mapping[str, Json]) -> Reply:
    return Reply(200, (*_FRESH, *_JSON), json.dumps(body).encode())


def _refused(mistake: OAuthMistake) -> Reply:
    headers: list[tuple[str, str]] = [*_FRESH, *_JSON]
    if mistake.status == 401:
        headers.append(("www-authenticate", 'Basic realm="countersign"'))
    if mistake.retry_after:
        headers.append(("retry-after", str(mistake.retry_after)))
    body = {"error": mistake.error, "error_description": str(mistake)}
    return Reply(mistake.status, tuple(headers), json.dumps(body).encode())


def _other_method(allowed: str) -> Reply:
    return Reply(405, (*_FRESH, *_JSON, ("allow", allowed)), b'{"error":"invalid_request"}')
