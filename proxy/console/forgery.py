"""Whether a form was sent by the person who looked at our page: its token, and where it came from."""

import hashlib
import hmac

from starlette.requests import Request

from proxy.errors import Declined

FIELD = "csrf"


def token_for(cookie: str) -> str:
    """The token of this session's forms. It tells nothing about the session, and ends with it."""
    return hmac.new(cookie.encode(), b"countersign console form/1", hashlib.sha256).hexdigest()


def check_origin(request: Request, origins: tuple[str, ...]) -> None:
    """Refuses a form that another site sent, or that does not say where it comes from."""
    sent = request.headers.getlist("origin")
    if len(sent) != 1 or sent[0] not in origins:
        raise Declined(403, "origin_foreign", "This form was not sent from the console. Nothing was done.")


def check_token(cookie: str, sent: object) -> None:
    """Refuses a form without this session's token."""
    if not cookie or not isinstance(sent, str) or not hmac.compare_digest(token_for(cookie).encode(), sent.encode()):
        raise Declined(403, "form_expired", "This form is too old or was not made for you. Nothing was done.")
