"""Subject and actor tokens: on whose behalf, and by whom. What a token says decides, not which parameters came."""

from dataclasses import dataclass
from typing import cast

from policies.model import Json
from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.forms import Form
from proxy.control.oauth.handed_on import HandedOn, handed_on
from proxy.control.oauth.mistakes import OAuthMistake, unacceptable
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.one_time import Once
from proxy.control.oauth.roots import Root, root_of
from proxy.errors import Refused
from proxy.identity import methods
from proxy.identity.compact import read
from proxy.identity.lifetime import end_of
from proxy.stages import Evidence, HopLevel, Identity

JWT = "urn:ietf:params:oauth:token-type:jwt"
TXN_TOKEN = "urn:ietf:params:oauth:token-type:txn_token"  # noqa: S105 - a type, not a token
HANDLE = "urn:countersign:token-type:handle"
# The actor is the client, by what it showed as such: said, never supposed.
CLIENT = "urn:countersign:token-type:client"


@dataclass(frozen=True, slots=True)
class Actor:
    """An agent that showed a direct credential. `expires` is when that credential ends, without any tolerance.

    `once` is the credential itself, if it has an id (`jti`): as an `actor_token` it counts once.
    """

    identity: Identity
    expires: float
    once: tuple[Once, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """An agent whose task token of ours was shown."""

    identity: Identity


async def subject_of(form: Form, client: Identity, deps: OAuthDeps) -> Root | Holder | HandedOn:
    """On whose behalf: a person or a process by its token, an agent by its task token, or by what its call told."""
    token, kind = form.need("subject_token"), form.need("subject_token_type")
    if kind == TXN_TOKEN:
        return await handed_on(token, client, deps)
    if kind not in {ACCESS_TOKEN, JWT}:
        raise OAuthMistake("invalid_request", "a `subject_token` is an access token, a JWT, or a transaction token")
    try:
        if deps.own.recognises(token):
            return Holder(await _shown(token, client, deps))
        return await root_of(token, deps)
    except Refused as refused:
        raise unacceptable("`subject_token`", refused.refusal) from refused


async def actor_of(form: Form, client: Identity, deps: OAuthDeps) -> Actor | None:
    """By whom, if an actor token came: an agent by its direct credential, which never carries a chain itself."""
    token, kind = form.get("actor_token"), form.get("actor_token_type")
    if token is None and kind is None:
        return None
    if token is None or kind is None:
        raise OAuthMistake("invalid_request", "`actor_token` and `actor_token_type` come together")
    if kind == CLIENT:
        return _client_itself(token, client, deps)
    if kind not in {ACCESS_TOKEN, JWT, HANDLE}:
        raise OAuthMistake("invalid_request", "an `actor_token` is an access token, a JWT, or a connection handle")
    try:
        identity = await _shown(token, client, deps)
    except Refused as refused:
        raise unacceptable("`actor_token`", refused.refusal) from refused
    if identity.proven.method == methods.HANDLE:
        return Actor(identity, deps.end_of(identity))
    claims = read(token).claims
    if "act" in claims or (identity.proven.method == methods.TASK_TOKEN and claims["sub"] != identity.agent.id):
        raise _chained()
    expires = float(cast("int", claims["exp"]))
    issuer = identity.proven.issuer or deps.issuer
    once = (Once("actor_token", issuer, str(claims["jti"]), expires),) if "jti" in claims else ()
    return Actor(identity, min(expires, end_of(identity.proven, deps.inventory())), once)


def _client_itself(token: str, client: Identity, deps: OAuthDeps) -> Actor:
    if token != client.agent.id:
        raise OAuthMistake("invalid_request", "the `actor_token` of this type is the client's own id")
    if client.proven.method == methods.TASK_TOKEN and client.chain.hops:
        raise _chained()
    return Actor(client, deps.end_of(client))


def level_of(identity: Identity) -> HopLevel:
    """How a hop to this agent is proven. A partner's agent that shows only what we gave out is the partner's word."""
    return "endorsed" if identity.agent.partner is not None and identity.proven.method in methods.OURS else "verified"


def require_actor(subject: Root, actor: Identity) -> None:
    """Raises unless the subject lets this actor act.

    `may_act`, where there is one, names it by issuer and subject (RFC 8693 section 4.4). Without, a process names its
    agents in the inventory; and a person's token was issued to a client that is the actor's own, or that the settings
    give it. The client is never taken for the actor, who has shown itself: it only keeps others from acting.
    """
    for may_act in subject.may_act:
        if not isinstance(may_act, dict):
            raise OAuthMistake("invalid_request", "`may_act` is an object")
        if not _names(may_act, actor):
            raise OAuthMistake("invalid_grant", "the subject does not let this actor act")
    if subject.agents is not None:
        if actor.agent.id not in subject.agents:
            raise OAuthMistake("invalid_grant", "the process of the `subject_token` does not name this agent")
    elif not (subject.may_act or subject.actors is None or _by_client(subject, actor)):
        raise OAuthMistake(
            "invalid_grant", "the `subject_token` has no `may_act`, and was issued to a client that is not this agent's"
        )


def _by_client(subject: Root, actor: Identity) -> bool:
    issuer, client = subject.issued_to
    own = {one.client_id or one.subject for one in actor.agent.identities if one.issuer == issuer}
    return bool(client) and (client in own or actor.agent.id in (subject.actors or ()))


def _names(may_act: dict[str, Json], actor: Identity) -> bool:
    named = (may_act.get("iss"), may_act.get("sub"))
    return named in {(one.issuer, one.subject) for one in actor.agent.identities}


async def _shown(token: str, client: Identity, deps: OAuthDeps) -> Identity:
    now, inventory = deps.clock(), deps.inventory()
    if deps.own.recognises(token):
        return await deps.living(await deps.resolver.prove_task_token(token, client.proven.thumbprint, now))
    return await deps.living(await deps.resolver.prove(Evidence("", (("bearer", token),)), now, inventory))


def _chained() -> OAuthMistake:
    return OAuthMistake("invalid_request", "an `actor_token` is a direct credential, without `act`")
