"""The action envelope: the exact words of what is asked, and their digest, which an approval is bound to.

`sha256:` + hex of SHA-256 over `action/1`, NUL, and the envelope's RFC 8785 bytes. It covers who asks, for whom,
through whom; with which stored credentials; where; and what. It does not cover what differs between two sendings
of one action: JSON-RPC ids, progress tokens, trace context, the agent's own credentials, user agents, dates.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

from policies.model import Json
from proxy.errors import refuse
from proxy.facts import Service
from proxy.stages import Chain, Identity, Request
from proxy.strict_json import canonical, canonical_of_plain

# Every other header that is forwarded is covered: `Stripe-Account` or `X-Tenant` can change what a call does.
# The content type is covered as the body's media type.
_NOT_COVERED = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "authorization",
        "b3",
        "baggage",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
        "mcp-session-id",
        "origin",
        "pragma",
        "priority",
        "proxy-authorization",
        "proxy-connection",
        "referer",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-amzn-trace-id",
        "x-cloud-trace-context",
        "x-correlation-id",
        "x-request-id",
    }
)
_NOT_COVERED_PREFIXES = ("sec-", "x-b3-", "x-stainless-", "mcp-param-")
_OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})


def credential_pin(service: Service) -> str | None:
    """Which stored credentials this service's calls may get; a digest of references, never of secrets."""
    if not service.bindings:
        return None
    bindings: list[Json] = [binding.model_dump(mode="json") for binding in service.bindings]
    return "sha256:" + hashlib.sha256(canonical(bindings)).hexdigest()


def http_part(request: Request, query: tuple[tuple[str, str], ...]) -> dict[str, Json]:
    """Where the request goes, and everything of its head that can change what it does."""
    headers: list[list[str]] = []
    for name, value in request.headers:
        if name in _NOT_COVERED or name.startswith(_NOT_COVERED_PREFIXES):
            continue
        if name.replace("_", "-") in _OVERRIDES:
            raise refuse(
                "method_override", 400, f"The header `{name}` changes the method. Send the real method.", "fix_request"
            )
        text = _without_wait(value) if name == "prefer" else value
        if text or name != "prefer":
            headers.append([name, text])
    headers.sort()
    return {
        "method": request.method,
        "scheme": request.scheme,
        "authority": f"{request.host}:{request.port}",
        "path": request.path,
        "query": [[name, value] for name, value in query],
        "headers": [[name, value] for name, value in headers],
    }


def _without_wait(prefer: str) -> str:
    """`Prefer` (RFC 7240) without what only says how long the caller waits for us."""
    parts = [part.strip() for part in prefer.split(",")]
    return ", ".join(part for part in parts if part.partition("=")[0].strip().lower() not in {"wait", "respond-async"})


def body_part(media: str, canon: str, body: bytes) -> dict[str, Json]:
    """A body by its digest; `canon` says of which bytes: canonical JSON, canonical pairs, or as sent."""
    return {"media": media, "canon": canon, "sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}


def exact_json(value: Json, *, plain: bool = False) -> tuple[str, bytes]:
    """Bytes that two values share only if they are the same, and what made them.

    RFC 8785 where it can say the value; else sorted JSON with every digit kept. `plain`: see `strict_json.Document`.
    """
    try:
        return "jcs", canonical(value, plain=plain)
    except ValueError:
        return "digits", json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def seal(identity: Identity, what: Mapping[str, Json]) -> tuple[bytes, str]:
    """The envelope's bytes and digest, for this caller."""
    envelope: dict[str, Json] = {
        "v": "action/1",
        "agent": identity.agent.id,
        "subject": identity.proven.on_behalf_of,
        "chain": chain_digest(identity.chain),
        **what,
    }
    try:
        body = canonical_of_plain(envelope)
    except ValueError as error:
        raise refuse(
            "request_unreadable", 400, "This request holds text that cannot be written down.", internal=str(error)
        ) from error
    return body, "sha256:" + hashlib.sha256(b"action/1\0" + body).hexdigest()


@lru_cache(maxsize=4096)
def chain_digest(chain: Chain) -> str:
    """The ordered parties and how each hop was proven; not the proofs, which differ each time."""
    hops: list[Json] = [[hop.delegate.kind, hop.delegate.id, hop.level, hop.method] for hop in chain.hops]
    parties: list[Json] = [[chain.root.kind, chain.root.id], hops, chain.complete]
    return "sha256:" + hashlib.sha256(canonical(parties)).hexdigest()
