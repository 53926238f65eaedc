"""Subject and actor tokens: on whose behalf, and by whom. What a token says decides, not which parameters came."""

from dataclasses import dataclass
from typing import cast

from policies.model import Json
from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake, unacceptable
from proxy.control.oauth.needs import OAuthDeps
from proxy.errors import Refused
from proxy.facts import Inventory, Person
from proxy.identity.compact import read
from proxy.identity.resolver import TASK_TOKEN
from proxy.identity.task_tokens import TaskToken
from proxy.stages import Evidence, Identity

_URI = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, JWT = f"{_URI}access_token", f"{_URI}jwt"
HANDLE = "urn:countersign:token-type:handle"
# What a subject's token must hold for anything to be done in its name; or else the tools themselves, each.
ANY_TASK = "countersign_task"


@dataclass(frozen=True, slots=True)
class Actor:
    """An agent that showed a direct credential. `expires` is when that credential ends, without any tolerance."""

    identity: Identity
    expires: float


@dataclass(frozen=True, slots=True)
class Human:
    """A person whose token was shown. `scopes` are what may be done in their name."""

    person: Person
    expires: float
    scopes: frozenset[str]
    may_act: tuple[Json, ...]
    ends: tuple[str, ...]
    evidence: str

    def lets(self, tool: str) -> bool:
        service = tool.partition("/")[0]
        return not self.scopes.isdisjoint({ANY_TASK, tool, f"{service}/*"})


@dataclass(frozen=True, slots=True)
class Holder:
    """An agent whose task token of ours was shown."""

    identity: Identity
    token: TaskToken


async def subject_of(form: Form, deps: OAuthDeps) -> Human | Holder:
    """On whose behalf: a person by their token, or an agent by its task token."""
    token = form.need("subject_token")
    if form.need("subject_token_type") not in {ACCESS_TOKEN, JWT}:
        raise OAuthMistake("invalid_request", "a `subject_token` is an access token or a JWT")
    try:
        if deps.own.recognises(token):
            return Holder(await _shown(token, deps), deps.own.verify(token, deps.clock()))
        return await _human(token, deps)
    except Refused as refused:
        raise unacceptable("`subject_token`", refused.refusal) from refused


async def actor_of(form: Form, deps: OAuthDeps) -> Actor | None:
    """By whom, if an actor token came: an agent by its direct credential, which never carries a chain itself."""
    token, kind = form.get("actor_token"), form.get("actor_token_type")
    if token is None and kind is None:
        return None
    if token is None or kind is None:
        raise OAuthMistake("invalid_request", "`actor_token` and `actor_token_type` come together")
    if kind not in {ACCESS_TOKEN, JWT, HANDLE}:
        raise OAuthMistake("invalid_request", "an `actor_token` is an access token, a JWT, or a connection handle")
    try:
        identity = await _shown(token, deps)
    except Refused as refused:
        raise unacceptable("`actor_token`", refused.refusal) from refused
    if identity.proven.method == "opaque_handle":
        return Actor(identity, identity.proven.not_after)
    claims = read(token).claims
    if "act" in claims or (identity.proven.method == TASK_TOKEN and claims["sub"] != identity.agent.id):
        raise OAuthMistake("invalid_request", "an `actor_token` is a direct credential, without `act`")
    return Actor(identity, float(cast("int", claims["exp"])))


async def _shown(token: str, deps: OAuthDeps) -> Identity:
    evidence = Evidence("", (("bearer", token),))
    return deps.living(await deps.resolver.prove(evidence, deps.clock(), deps.inventory()))


async def _human(token: str, deps: OAuthDeps) -> Human:
    verified, claims = await deps.tokens.verify_subject(token, deps.clock())
    if claims.get("client_id") == verified.subject:
        # A client that is registered under a person's name must not become that person (RFC 9068 section 5).
        raise OAuthMistake("invalid_grant", "the `subject_token` is a client's own, and stands for no person")
    person = _person(verified.issuer, verified.subject, deps.inventory())
    if person is None:
        raise OAuthMistake("invalid_grant", "nobody in the inventory has this `subject_token`")
    ends = (
        f"token:{verified.issuer}|{verified.token_id}",
        f"principal:{verified.issuer}|{verified.subject}",
        f"principal:{person.id}",
    )
    ended = deps.feed.epochs.dead(("global", *ends), verified.issued_at)
    if ended is not None:
        raise OAuthMistake("invalid_grant", "the `subject_token` is expired, revoked, or not for us")
    scope = claims.get("scope")
    if not isinstance(scope, str) or not scope.strip():
        raise OAuthMistake("invalid_request", "the `subject_token` does not say what may be done with it (`scope`)")
    return Human(
        person,
        float(cast("int", claims["exp"])),
        frozenset(scope.split()),
        (claims["may_act"],) if "may_act" in claims else (),
        ends,
        f"sha256:{verified.digest}",
    )


def _person(issuer: str, subject: str, inventory: Inventory) -> Person | None:
    """Exactly one active person; a subject that two claim belongs to neither."""
    found = [
        person
        for person in inventory.people.values()
        if any((one.issuer, one.subject) == (issuer, subject) for one in person.identities)
    ]
    return found[0] if len(found) == 1 and found[0].active else None


def require_may_act(subject: Human, actor: Identity) -> None:
    """Raises unless `may_act`, where there is one, names this actor by issuer and subject (RFC 8693 section 4.4)."""
    for may_act in subject.may_act:
        if not isinstance(may_act, dict):
            raise OAuthMistake("invalid_request", "`may_act` is an object")
        named = (may_act.get("iss"), may_act.get("sub"))
        if named not in {(one.issuer, one.subject) for one in actor.agent.identities}:
            raise OAuthMistake("invalid_grant", "the subject does not let this actor act")
