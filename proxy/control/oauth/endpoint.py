"""The routes of the token endpoint, and what is told of it (RFC 8414). Agents come here, not people."""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from policies.model import Json
from proxy.control.oauth.clients import authenticate
from proxy.control.oauth.details import TYPE
from proxy.control.oauth.forms import Form, read_form
from proxy.control.oauth.grants import GRANTS, Grants
from proxy.control.oauth.minting import Mint
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.errors import StoreUnavailable
from proxy.identity.assertions import ALGORITHMS
from proxy.stages import Identity
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.tokens")

_HEADERS = {"cache-control": "no-store", "pragma": "no-cache"}

type Act = Callable[[Form, Identity], Awaitable[Response]]


def token_routes(deps: OAuthDeps) -> list[Route]:
    """The token, introspection and revocation endpoints, and their metadata."""
    grants, mint = Grants(deps), Mint(deps)

    async def token(form: Form, client: Identity) -> Response:
        try:
            what = await grants.decide(form, client)
            return _answer(await mint.issue(what, client))
        except OAuthMistake as mistake:
            await _record_refusal(deps, client, mistake)
            raise

    async def introspect(form: Form, client: Identity) -> Response:
        return _answer(await mint.introspect(form.need("token"), client))

    async def revoke(form: Form, client: Identity) -> Response:
        await mint.revoke(form.need("token"), client)
        return Response(None, 200, _HEADERS)

    async def metadata(_: Request) -> Response:
        return JSONResponse(_metadata(deps))

    return [
        Route("/oauth2/token", _behind(token, deps), methods=["POST"]),
        Route("/oauth2/introspect", _behind(introspect, deps), methods=["POST"]),
        Route("/oauth2/revoke", _behind(revoke, deps), methods=["POST"]),
        Route("/.well-known/oauth-authorization-server", metadata, methods=["GET"]),
    ]


def _behind(act: Act, deps: OAuthDeps) -> Callable[[Request], Awaitable[Response]]:
    """Nothing is looked at before the client is known; whatever fails on the way is no token."""

    async def endpoint(request: Request) -> Response:
        try:
            form = await read_form(request)
            client = await authenticate(form, request.headers.getlist("authorization"), deps)
            return await act(form, client)
        except OAuthMistake as mistake:
            return _refused(mistake)
        except (StoreUnavailable, AuditUnavailable) as error:
            log.error("no token can be issued: %s", error)  # noqa: TRY400 - the text says what is wrong
            return _refused(OAuthMistake("temporarily_unavailable", "try again in a moment", 503))

    return endpoint


def _refused(mistake: OAuthMistake) -> Response:
    headers = dict(_HEADERS)
    if mistake.status == 401:
        headers["www-authenticate"] = 'Basic realm="countersign"'
    if mistake.status == 503:
        headers["retry-after"] = "1"
    return JSONResponse({"error": mistake.error, "error_description": str(mistake)}, mistake.status, headers)


def _answer(body: dict[str, Json]) -> Response:
    return JSONResponse(body, 200, _HEADERS)


async def _record_refusal(deps: OAuthDeps, client: Identity, mistake: OAuthMistake) -> None:
    await deps.record(
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


def _metadata(deps: OAuthDeps) -> dict[str, Json]:
    issuer = deps.issuer
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth2/token",
        "introspection_endpoint": f"{issuer}/oauth2/introspect",
        "revocation_endpoint": f"{issuer}/oauth2/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [*GRANTS],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
        "token_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS],
        "authorization_details_types_supported": [TYPE],
    }
