"""The routes of the token endpoint at the control API. Agents come here, not people."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from proxy.control.oauth.forms import Sent
from proxy.control.oauth.server import TokenServer

_KEYS = "/.well-known/jwks.json"  # the control API has a route for it, with or without tokens


def token_routes(server: TokenServer) -> list[Route]:
    """The token, introspection and revocation endpoints, and their metadata."""

    async def endpoint(request: Request) -> Response:
        reply = await server.reply(
            Sent(
                method=request.method,
                path=request.url.path,
                query=request.url.query,
                content_type=", ".join(request.headers.getlist("content-type")),  # two of them are none
                authorization=tuple(request.headers.getlist("authorization")),
                body=await request.body(),
            )
        )
        return Response(reply.body, reply.status, dict(reply.headers))

    return [
        *(Route(path, endpoint, methods=["POST"]) for path in server.posted),
        *(Route(path, endpoint, methods=["GET"]) for path in server.shown if path != _KEYS),
    ]
