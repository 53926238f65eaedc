"""Client authentication: who sends a request (RFC 6749 section 2.3, RFC 7523, RFC 8705). No secrets but handles."""

import base64
from collections.abc import Mapping
from urllib.parse import unquote

from proxy.control.oauth.forms import Form, Sent
from proxy.control.oauth.mistakes import OAuthMistake, invalid_client
from proxy.control.oauth.needs import OAuthDeps
from proxy.errors import Refused
from proxy.facts import Service
from proxy.identity.assertions import HasKeys
from proxy.identity.handles import PREFIX
from proxy.stages import Evidence, Identity, Proven

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SVID_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
_SERVICE = "service:"


async def authenticate(form: Form, sent: Sent, deps: OAuthDeps) -> Identity:
    """The agent that sent this, by exactly one way of showing itself; `invalid_client` otherwise.

    At the proxy's own host that is the connection: by its certificate, its UNIX peer, its handle or its token.
    """
    asserted = _asserts(form)
    if form.get("client_secret") is not None:
        raise invalid_client("client secrets are not taken in the form")
    if [sent.connection is not None, asserted, bool(sent.authorization)].count(True) != 1:
        raise invalid_client(
            "show yourself in exactly one way: a signed assertion, a connection handle, or, at the proxy's own host, "
            "the connection"
        )
    try:
        if sent.connection is not None:
            proven = sent.connection.proven
        else:
            proven = await (_asserted(form, deps) if asserted else _handle(sent.authorization, deps))
        identity = await deps.living(proven)
    except Refused as refused:
        raise _unknown(refused) from refused
    if form.get("client_id") not in {None, identity.agent.id, proven.subject}:
        raise invalid_client("`client_id` is not the agent that showed itself")
    return identity


async def authenticate_reader(form: Form, sent: Sent, deps: OAuthDeps) -> Identity | Service:
    """Who asks what a token is: an agent, or a service of ours by its own key, as `service:<id>`."""
    assertion = form.get("client_assertion")
    if sent.connection is not None or sent.authorization or assertion is None:
        return await authenticate(form, sent, deps)
    services: Mapping[str, HasKeys] = {
        f"{_SERVICE}{one.id}": one for one in deps.inventory().services.values() if one.trust == "internal"
    }
    if form.get("client_assertion_type") != ASSERTION or not deps.assertions.names(assertion, services):
        return await authenticate(form, sent, deps)
    try:
        name = (await deps.assertions.prove(assertion, services, deps.clock())).agent
    except Refused as refused:
        raise _unknown(refused) from refused
    if form.get("client_id") not in {None, name}:
        raise invalid_client("`client_id` is not the service that showed itself")
    return deps.inventory().services[name.removeprefix(_SERVICE)]


def _unknown(refused: Refused) -> OAuthMistake:
    if refused.refusal.status == 503:
        return OAuthMistake("temporarily_unavailable", refused.refusal.detail, 503)
    return invalid_client("this does not show a client that may ask here")


def _asserts(form: Form) -> bool:
    return form.get("client_assertion") is not None or form.get("client_assertion_type") is not None


async def _asserted(form: Form, deps: OAuthDeps) -> Proven:
    assertion = form.get("client_assertion")
    if assertion is None:
        raise invalid_client("`client_assertion` is missing")
    inventory, now = deps.inventory(), deps.clock()
    kind = form.get("client_assertion_type")
    if kind == ASSERTION:
        return await deps.assertions.prove(assertion, inventory.agents, now)
    if kind == SVID_ASSERTION and deps.svids is not None:
        return await deps.svids.prove(assertion, now, inventory)
    raise invalid_client("`client_assertion_type` is not one that is taken here")


async def _handle(authorization: tuple[str, ...], deps: OAuthDeps) -> Proven:
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
        user, _, password = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except ValueError as error:
        raise invalid_client("the Basic credential cannot be read") from error
    return unquote(user), unquote(password)
