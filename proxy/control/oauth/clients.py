"""Client authentication: which agent sends a request (RFC 6749 section 2.3, RFC 7523). No secrets but handles."""

import base64
import binascii
from urllib.parse import unquote

from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake, invalid_client
from proxy.control.oauth.needs import OAuthDeps
from proxy.errors import Refused
from proxy.identity.handles import PREFIX
from proxy.stages import Evidence, Identity, Proven

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def authenticate(form: Form, authorization: list[str], deps: OAuthDeps) -> Identity:
    """The agent that sent this, by exactly one way of showing itself; `invalid_client` otherwise."""
    asserted = form.get("client_assertion") is not None or form.get("client_assertion_type") is not None
    if form.get("client_secret") is not None:
        raise invalid_client("client secrets are not taken in the form")
    if asserted == bool(authorization):
        raise invalid_client("show yourself in exactly one way: a signed assertion, or a connection handle")
    try:
        proven = await (_asserted(form, deps) if asserted else _handle(authorization, deps))
        identity = deps.living(proven)
    except Refused as refused:
        if refused.refusal.status == 503:
            raise OAuthMistake("temporarily_unavailable", refused.refusal.detail, 503) from refused
        raise invalid_client("this does not show an agent that may ask here") from refused
    if form.get("client_id") not in {None, identity.agent.id}:
        raise invalid_client("`client_id` is not the agent that showed itself")
    return identity


async def _asserted(form: Form, deps: OAuthDeps) -> Proven:
    if form.get("client_assertion_type") != ASSERTION:
        raise invalid_client("`client_assertion_type` is not that of a JWT")
    assertion = form.get("client_assertion")
    if assertion is None:
        raise invalid_client("`client_assertion` is missing")
    return await deps.assertions.prove(assertion, deps.inventory().agents, deps.clock())


async def _handle(authorization: list[str], deps: OAuthDeps) -> Proven:
    if len(authorization) != 1:
        raise invalid_client("more than one `Authorization`")
    scheme, _, value = authorization[0].partition(" ")
    match scheme.lower():
        case "bearer":
            user, handle = "", value.strip()
        case "basic":
            user, handle = _basic(value.strip())
        case _:
            raise invalid_client("`Authorization` is neither Basic nor Bearer")
    if not handle.startswith(PREFIX):
        raise invalid_client("the credential is not a connection handle")
    evidence = Evidence("", (("bearer", handle),))
    proven = await deps.resolver.prove(evidence, deps.clock(), deps.inventory())
    if user not in {"", proven.agent}:
        raise invalid_client("the user name is not the agent of this handle")
    return proven


def _basic(value: str) -> tuple[str, str]:
    """User name and password, each decoded once more (RFC 6749 section 2.3.1)."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError) as error:
        raise invalid_client("the Basic credential cannot be read") from error
    if not colon:
        raise invalid_client("the Basic credential cannot be read")
    return unquote(user), unquote(password)
