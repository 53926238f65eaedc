"""Tokens that we show other authorization servers: for whom a call is made, and who makes it (RFC 8693, RFC 7523).

Each is for one audience and lives for less than a minute. Their types are their own, so that none passes for a task
token, a transaction token or a client's assertion, nor any of those for one of them.
"""

from collections.abc import Iterable

from policies.model import Json
from proxy.downstream.profile import PROFILES
from proxy.downstream.signer import Signer
from proxy.errors import Refused, refuse
from proxy.stages import Identity, Principal, Secret
from telemetry.ids import new_id

SUBJECT_TYP = "countersign-subject+jwt"
ACTOR_TYP = "countersign-actor+jwt"
LIFE = 60


class ChainTokens:
    """Mints them as this issuer, whose keys are at `<issuer>/.well-known/jwks.json`."""

    def __init__(self, signer: Signer, issuer: str) -> None:
        self._signer = signer
        self._issuer = issuer

    async def subject_token(self, identity: Identity, audience: str, now: float) -> Secret:
        """About the root of the chain, with every actor since: the calling agent outermost. Only of a chain that is
        proven as a whole; an agent that acts for itself has no subject but itself."""
        chain = identity.chain
        if not chain.hops or not chain.complete or any(hop.level == "asserted" for hop in chain.hops):
            raise _nobody(f"a chain of {len(chain.hops)} hops")
        claims = self._about(chain.root, audience, now)
        act = self._acting(chain.members[1:])
        return self._signed(claims | {"act": act, "client_id": identity.agent.id}, SUBJECT_TYP)

    async def actor_token(self, identity: Identity, audience: str, now: float) -> Secret:
        """About the calling agent alone: who acts shows itself, and nobody else (no `act`)."""
        return self._signed(self._about(Principal("agent", identity.agent.id), audience, now), ACTOR_TYP)

    def _about(self, party: Principal, audience: str, now: float) -> dict[str, Json]:
        issued = int(now)
        return {
            "iss": self._issuer,
            "sub": party.id,
            "sub_profile": PROFILES[party.kind],
            "aud": audience,
            "iat": issued,
            "exp": issued + LIFE,
            "jti": new_id("sub"),
        }

    def _acting(self, actors: Iterable[Principal]) -> Json:
        """The current actor outermost, the earliest innermost (RFC 8693 section 4.1)."""
        act: dict[str, Json] = {}
        for actor in actors:
            act = {**nameof(actor, self._issuer), **({"act": act} if act else {})}
        return act

    def _signed(self, claims: dict[str, Json], typ: str) -> Secret:
        return Secret(f"minted ({claims['jti']})", self._signer.sign(claims, typ))


def nameof(party: Principal, issuer: str) -> dict[str, Json]:
    """How a party is named within `act`: in our namespace, or, of another house, in its own."""
    namespace, bar, subject = party.id.partition("|")
    return {
        "iss": namespace if bar else issuer,
        "sub": subject if bar else party.id,
        "sub_profile": PROFILES[party.kind],
    }


def _nobody(internal: str) -> Refused:
    return refuse(
        "credential_needs_principal",
        403,
        "This service is called on behalf of a person or a process, and this call shows none that is proven.",
        internal=internal,
    )
