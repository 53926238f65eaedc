"""The token endpoint at the proxy's own host: who the connection has proven to be is the client, without more."""

from collections.abc import Mapping

from proxy.control.oauth.forms import Sent
from proxy.control.oauth.server import TokenServer
from proxy.own_host import OwnEndpoint
from proxy.stages import Identity, Reply, Request


def own_endpoints(server: TokenServer) -> Mapping[str, OwnEndpoint]:
    """What agents reach through the proxy, by path."""

    async def endpoint(request: Request, identity: Identity) -> Reply:
        return await server.reply(
            Sent(
                method=request.method,
                path=request.path,
                query=request.query,
                content_type=request.header("content-type") or "",
                authorization=tuple(value for name, value in request.headers if name == "authorization"),
                body=request.body,
                connection=identity,
            )
        )

    return dict.fromkeys((*server.posted, *server.shown), endpoint)
