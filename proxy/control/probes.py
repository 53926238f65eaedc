"""What machines ask without signing in: are we alive, ready, well, what is the API, what are our keys."""

import ipaddress
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from proxy.control.guard import peer_of
from proxy.control.needs import ControlDeps
from proxy.errors import Declined


def probes(deps: ControlDeps, document: Callable[[], dict[str, Any]]) -> list[Route]:
    """Their routes. None tells an agent, an argument or a person's name; metrics stay on this machine."""

    async def alive(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def ready(_: Request) -> Response:
        why = await deps.ready()
        return PlainTextResponse("ready\n") if why is None else PlainTextResponse(f"not ready: {why}\n", 503)

    async def metrics(request: Request) -> Response:
        if not is_local(request):
            raise Declined(403, "local_only", "metrics are served on this machine only")
        return PlainTextResponse(deps.metrics(), media_type="text/plain; version=0.0.4")

    async def describe(_: Request) -> Response:
        return JSONResponse(document())

    async def keys(_: Request) -> Response:
        if deps.jwks is None:
            raise Declined(
                404, "keys_unknown", "nothing is signed for others here: `downstream.trust_domain` is not set"
            )
        headers = {"cache-control": "public, max-age=300"}
        return JSONResponse(deps.jwks(), media_type="application/jwk-set+json", headers=headers)

    return [
        Route("/healthz", alive, methods=["GET"]),
        Route("/readyz", ready, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/openapi.json", describe, methods=["GET"]),
        Route("/.well-known/jwks.json", keys, methods=["GET"]),
    ]


def is_local(request: Request) -> bool:
    """True for the operator's socket, and for a loopback address; not for a name."""
    if peer_of(request.scope) is not None:
        return True
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
