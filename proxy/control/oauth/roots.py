"""Who stands at the root of a chain: a person, or a business process, whose token was shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import cast

from policies.model import Json
from proxy.control.oauth.inbound import Through, chain_in
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.needs import OAuthDeps
from proxy.control.oauth.one_time import Once
from proxy.identity import methods
from proxy.identity.claims import SIGN_IN
from proxy.identity.compact import read
from proxy.identity.lineage import scope_of_key
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.tokens import SubjectToken
from proxy.stages import Presence, Principal

# What a subject's token must hold for anything to be done in its name; or else the tools themselves, each.
ANY_TASK = "countersign_task"


@dataclass(frozen=True, slots=True)
class Root:
    """A person or a process whose token was shown, and `through` whom it came.

    `scopes` are what may be done in its name; None is for a process alone, where the inventory says which `agents`
    may act for it. `expires` is when its token ends, without any tolerance. `issued_to` are issuer and client of a
    person's token, and `actors` who may act by that; None: any agent. `once` is the token, and how many tasks may begin
    with it. `presence` is what it tells of a person's sign-in.
    """

    principal: Principal
    expires: float
    scopes: frozenset[str] | None
    ends: tuple[str, ...]
    evidence: str
    method: str = methods.ACCESS_TOKEN
    may_act: tuple[Json, ...] = ()
    agents: tuple[str, ...] | None = None
    through: tuple[Through, ...] = ()
    issued_to: tuple[str, str] = ("", "")
    actors: frozenset[str] | None = frozenset()
    once: tuple[Once, ...] = ()
    presence: Presence | None = None

    def lets(self, tool: str) -> bool:
        """Whether this tool may be used in its name."""
        if self.scopes is None:
            return self.agents is not None
        service = tool.partition("/")[0]
        return not self.scopes.isdisjoint({ANY_TASK, tool, f"{service}/*"})


async def root_of(token: str, deps: OAuthDeps) -> Root:
    """Whose token this is; `invalid_grant` if it is nobody's who may be acted for today."""
    now = deps.clock()
    if deps.svids is not None and deps.svids.recognises(token):
        verified = await deps.svids.verify(token, now)
        return _root(SubjectToken(verified, read(token).claims, frozenset()), methods.JWT_SVID, deps)
    return _root(await deps.tokens.verify_subject(token, now), methods.ACCESS_TOKEN, deps)


def _root(shown: SubjectToken, method: str, deps: OAuthDeps) -> Root:
    verified, claims, inventory = shown.verified, shown.claims, deps.inventory()
    principal = deps.resolver.party(verified.issuer, verified.subject, inventory, verified.client)
    if principal is None or principal.kind not in {"human", "business_process"}:
        raise OAuthMistake("invalid_grant", "nobody in the inventory has this `subject_token`")
    if principal.kind == "human" and claims.get("client_id") == verified.subject:
        # A client that is registered under a person's name must not become that person (RFC 9068 section 5).
        raise OAuthMistake("invalid_grant", "the `subject_token` is a client's own, and stands for no person")
    if principal.kind == "business_process" and not SIGN_IN.isdisjoint(claims):
        raise OAuthMistake("invalid_grant", "the `subject_token` tells of a sign-in, and stands for no process")
    agents = inventory.processes[principal.id].agents if principal.kind == "business_process" else None
    if agents is None and not inventory.people[principal.id].active:
        raise OAuthMistake("invalid_grant", "nobody in the inventory has this `subject_token`")
    ends = _ends(verified, principal)
    if deps.feed.epochs.dead(("global", *ends), verified.issued_at) is not None:
        raise OAuthMistake("invalid_grant", "the `subject_token` is expired, revoked, or not for us")
    return Root(
        principal,
        float(cast("int", claims["exp"])),
        _scopes(claims, needed=agents is None),
        ends,
        f"sha256:{verified.digest}",
        method,
        (claims["may_act"],) if "may_act" in claims else (),
        agents,
        chain_in(claims, verified.issuer, shown.endorses, partial(deps.resolver.party, inventory=inventory)),
        (verified.issuer, verified.client),
        shown.actors,
        _once(shown, method),
        shown.presence if agents is None else None,
    )


def _once(shown: SubjectToken, method: str) -> tuple[Once, ...]:
    """An SVID without an id is what its workload shows everybody for as long as it lives."""
    if method == methods.JWT_SVID and "jti" not in shown.claims:
        return ()
    verified, expires = shown.verified, float(cast("int", shown.claims["exp"]))
    return (Once("subject_token", verified.issuer, verified.token_id, expires, shown.uses),)


def _scopes(claims: Mapping[str, Json], *, needed: bool) -> frozenset[str] | None:
    """A process may leave it to the inventory what is done in its name; a person's token says so itself."""
    if "scope" not in claims and not needed:
        return None
    scope = claims.get("scope")
    if not isinstance(scope, str) or not scope.strip():
        raise OAuthMistake("invalid_request", "the `subject_token` does not say what may be done with it (`scope`)")
    return frozenset(scope.split())


def _ends(verified: VerifiedToken, principal: Principal) -> tuple[str, ...]:
    kind = "principal" if principal.kind == "human" else "process"
    return (
        f"token:{verified.issuer}|{verified.token_id}",
        f"principal:{verified.issuer}|{verified.subject}",
        f"{kind}:{principal.id}",
        *scope_of_key(verified.issuer, verified.key),
    )
