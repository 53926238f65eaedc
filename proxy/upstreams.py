"""From a service in the inventory to the place that its calls are sent to."""

from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlsplit

from proxy.credentials.bindings import parameters_of, place_of
from proxy.credentials.parameters import holds, require_apart, without_parameters
from proxy.credentials.strip import without_agent_credentials
from proxy.downstream.profile import HEADER
from proxy.downstream.txn_token import TxnToken
from proxy.errors import refuse
from proxy.facts import Service
from proxy.protocols.bodies import read_body
from proxy.stages import Arrived, Attributed, Destination, Injection, Request, authority
from telemetry.trace_context import TraceContext


def destination_of(service: Service) -> Destination:
    """Where this service may be connected to, and under which name it must prove itself."""
    allowed = service.allow_private_addresses, service.allow_websocket, service.takes_slashes
    patience = service.answer_seconds, service.silence_seconds
    return _destination(service.url, service.connect, service.ca_bundle, allowed, patience)


@lru_cache(maxsize=1024)
def _destination(
    url: str,
    connect: str | None,
    ca_bundle: str | None,
    allowed: tuple[bool, bool, bool],
    patience: tuple[int | None, int | None],
) -> Destination:
    """All that a destination depends on, since hashing a whole service costs more than making one."""
    scheme, host, port = place_of(url)
    private, websocket, slashes = allowed
    return Destination(
        scheme=scheme,
        host=host,
        port=port,
        connect=_address(connect) if connect else None,
        ca_bundle=ca_bundle,
        allow_private_addresses=private,
        allow_websocket=websocket,
        answer_within=patience[0],
        silence_within=patience[1],
        allow_encoded_slash=slashes,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def through_gateway(arrived: Arrived, service: Service | None) -> Arrived:
    """The request as the service itself will see it, its gateway prefix replaced by the service's own URL."""
    if service is None:
        raise refuse(
            "service_unknown",
            403,
            f"There is no service `{arrived.service_hint}` behind this gateway. "
            "The first segment of the path names the service.",
        )
    url = urlsplit(service.url)
    request = arrived.request
    path = url.path.rstrip("/") + request.path
    if path != url.path and path == url.path + "/":
        path = url.path  # the gateway's bare service name means the service's own URL
    place = destination_of(service)
    headers = tuple(
        ("host", authority(place.scheme, place.host, place.port)) if name == "host" else (name, value)
        for name, value in request.headers
    )
    moved = replace(
        request,
        scheme="https" if place.scheme == "https" else "http",
        host=place.host,
        port=place.port,
        path=path or "/",
        headers=headers,
    )
    return replace(arrived, request=moved)


def without_query_credentials(attributed: Attributed, service: Service | None) -> Attributed:
    """The call without what the agent sent as a credential in its query: nothing after this sees it.

    It is decided, digested, shown to people and recorded as if it had never been there; `outgoing` puts in ours. A
    body that could be read as bringing one is refused: it cannot be told from an argument.
    """
    arrived = attributed.arrived
    request = arrived.request
    names = parameters_of(service, request) if service is not None else frozenset()
    if not names or service is None:
        return attributed
    if request.body and service.protocol == "rest":
        require_apart(read_body(request).names, names)
    query = without_parameters(request.query, names)
    if query == request.query:
        return attributed
    stripped = tuple(f"?{name}" for name in sorted(names) if holds(request.query, name))
    return replace(attributed, arrived=replace(arrived, request=replace(request, query=query), stripped=stripped))


def outgoing(
    request: Request, injection: Injection, trace: TraceContext, *, internal: bool, token: TxnToken | None = None
) -> Request:
    """The request as it is sent: the agent's credentials gone, ours in place.

    Only our own house sees the trace, and the token that accounts for the call.
    """
    headers = without_agent_credentials(request.headers, injection)
    if internal:
        headers = (*headers, ("traceparent", trace.traceparent))
        if token is not None:
            headers = (*headers, (HEADER, token.value))
    query = "&".join(part for part in (request.query, injection.query) if part)
    return replace(request, query=query, headers=(*headers, *injection.headers))
