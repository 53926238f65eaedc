"""The account of one call, as a transaction token: who, for whom, through whom, why, and exactly what.

It holds for this request alone: its destination, its method, target and body, and a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from policies.model import Json, Mode
from proxy.downstream.profile import (
    LEVELS,
    MAX_BYTES,
    MAX_HOPS,
    MAX_LIFETIME,
    PROFILES,
    digest,
    issuer_of,
    trust_domain,
)
from proxy.downstream.signer import Signer
from proxy.errors import Refused, refuse
from proxy.stages import Call, Chain, Claim, Decided, Hop, Identity, Presence, Principal, Request
from telemetry.ids import new_id


@dataclass(frozen=True, slots=True)
class TxnToken:
    """A token for one call. `id` may be recorded, `value` only goes upstream."""

    id: str
    value: str = field(repr=False)


class Minter:
    """Makes the tokens of one trust domain. They live for `lifetime` seconds."""

    def __init__(self, signer: Signer, domain: str, lifetime: int) -> None:
        if not 0 < lifetime <= MAX_LIFETIME:
            raise ValueError(f"a transaction token lives for 1 to {MAX_LIFETIME} seconds, not {lifetime}")
        self._signer = signer
        self._domain = trust_domain(domain)
        self._issuer = issuer_of(domain)
        self._lifetime = lifetime

    def mint(self, decided: Decided, claim: Claim | None, trace_id: str, now: float) -> TxnToken | None:
        """The account of this call, if it goes to a service of our own; None for everybody else.

        Refuses a call whose account is too long to be carried: cut short, it would say something else.
        """
        described = decided.described
        if described.call.service.trust != "internal":
            return None
        identity, request = described.attributed.identity, described.attributed.arrived.request
        proven = _proven(identity.chain)
        if len(proven) > MAX_HOPS:
            raise _too_large(f"{len(proven)} hops")
        issued, token_id = int(now), new_id("txn")
        claims: dict[str, Json] = {
            "iss": self._issuer,
            "aud": self._domain,
            "txn": trace_id,
            "jti": token_id,
            "iat": issued,
            "exp": issued + self._lifetime,
            **self._parties(identity.chain, proven),
            "req_wl": self._issuer,
            "scope": f"{described.call.service.id}.{described.call.tool.effect if described.call.tool else 'unknown'}",
            "tctx": _context(decided, identity, described.attributed.arrived.call_id, claim)
            | {"chain": _chain(identity.chain, proven), "complete": _complete(identity.chain, proven)}
            | _signed_in(identity.chain.presence),
            "rctx": _request(request, identity),
        }
        token = self._signer.sign(claims)
        if len(token) > MAX_BYTES:
            raise _too_large(f"{len(token)} bytes")
        return TxnToken(token_id, token)

    def _parties(self, chain: Chain, proven: Sequence[Hop]) -> dict[str, Json]:
        """`sub`, and around the actors before it the one that acts now (RFC 8693 section 4.1)."""
        root = _root(chain, proven)
        parties: dict[str, Json] = {"sub": _name(root), "sub_profile": PROFILES[root.kind]}
        inner: dict[str, Json] = {}
        for hop in proven:
            inner = {
                "iss": self._issuer,
                "sub": _name(hop.delegate),
                "sub_profile": PROFILES[hop.delegate.kind],
                **({"act": inner} if inner else {}),
            }
        return parties | ({"act": inner} if inner else {})


def _proven(chain: Chain) -> tuple[Hop, ...]:
    """The hops up to the caller that somebody vouches for: what comes before an asserted one is nobody's word."""
    for index in range(len(chain.hops), 0, -1):
        if chain.hops[index - 1].level not in LEVELS:
            return chain.hops[index:]
    return chain.hops


def _root(chain: Chain, proven: Sequence[Hop]) -> Principal:
    return proven[0].delegator if proven else chain.members[-1]


def _complete(chain: Chain, proven: Sequence[Hop]) -> bool:
    return chain.complete and len(proven) == len(chain.hops)


def _chain(chain: Chain, proven: Sequence[Hop]) -> list[Json]:
    """From the root to the caller: `m` and `s` say how the hop to each party was proven."""
    hops: list[Json] = [{"p": _name(hop.delegate), "m": hop.method, "s": hop.level} for hop in proven]
    return [{"p": _name(_root(chain, proven))}, *hops]


def _context(decided: Decided, identity: Identity, call_id: str, claim: Claim | None) -> dict[str, Json]:
    decision, call = decided.decision, decided.described.call
    context: dict[str, Json] = {
        "task": identity.proven.task,
        "call": call_id,
        "decision": decision.outcome.value,
        "policy": decision.policy_version,
        "owner": identity.owner.id,
        "args_sha256": call.digest,
    }
    if identity.agent.partner is not None:
        context["partner"] = identity.agent.partner
    return context | _where_there_is(decided, call, claim)


def _signed_in(presence: Presence | None) -> dict[str, Json]:
    """When and how the person at the root signed in, as far as their token said it."""
    if presence is None:
        return {}
    told: dict[str, Json] = {"auth_time": presence.at, "acr": presence.acr, "amr": [*presence.amr]}
    return {name: value for name, value in told.items() if value not in (None, "", [])}


def _where_there_is(decided: Decided, call: Call, claim: Claim | None) -> dict[str, Json]:
    """A tool, an approval; and that policy was only watching, which nobody should take for its consent."""
    found: dict[str, Json] = {}
    if call.tool is not None:
        found["tool"] = f"{call.service.id}/{call.tool.name}"
    if claim is not None:
        found["approval"] = claim.hold_id
    if decided.decision.mode is not Mode.ENFORCE:
        found["mode"] = decided.decision.mode.value
    return found


def _request(request: Request, identity: Identity) -> dict[str, Json]:
    """Exactly which request this is for. The target by its digest: a path may hold what no token should."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    return {
        "authn": identity.proven.method,
        "dst": f"{request.scheme}://{request.authority}",
        "method": request.method,
        "target_sha256": digest(target.encode()),
        "body_sha256": digest(request.body),
    }


def _name(principal: Principal) -> str:
    return f"{principal.kind}:{principal.id}"


def _too_large(what: str) -> Refused:
    return refuse(
        "account_too_large",
        403,
        "The chain of those behind this call is too long to be told to the service, so it did not pass.",
        internal=what,
    )
