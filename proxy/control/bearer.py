"""The bearer credential of a request (RFC 6750 section 2.1)."""

import hmac

from starlette.requests import Request


def bearer_of(request: Request) -> str | None:
    """What the request shows as its only `Authorization`; None if that is nothing, another scheme, or several."""
    presented = request.headers.getlist("authorization")
    scheme, _, token = (presented[0] if len(presented) == 1 else "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def shows_bearer(request: Request, secret: str) -> bool:
    """Whether the request shows this secret; compared in constant time. An empty secret is shown by nobody."""
    shown = bearer_of(request) or ""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), secret.encode()) and shown != ""
