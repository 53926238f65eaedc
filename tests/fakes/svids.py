"""JWT-SVIDs as the token endpoint needs them verified: by this world's own keys, the trust domain's rules left out."""

import hashlib
from typing import Any, cast

import jwt

from proxy.facts import Inventory
from proxy.identity.challenges import unproven
from proxy.identity.compact import read
from proxy.identity.token_cache import VerifiedToken
from proxy.stages import Proven
from tests.fakes.issuer import private_key, sign

TRUST_DOMAIN = "spiffe://prod.example"


class Svids:
    """Knows one trust domain, whose key is `svid`."""

    def recognises(self, token: str) -> bool:
        return str(read(token).claims.get("sub", "")).startswith("spiffe://") and "iss" not in read(token).claims

    async def verify(self, token: str, now: float) -> VerifiedToken:
        claims = cast("dict[str, Any]", read(token).claims)
        try:
            jwt.PyJWS().decode(token, private_key("ES256", "svid").public_key(), algorithms=["ES256"])
        except jwt.PyJWTError as error:
            raise unproven("identity_invalid", "svid_signature") from error
        if claims["aud"] != ["https://gov.example"] or not now < claims["exp"]:
            raise unproven("identity_invalid", "svid_audience")
        digest = hashlib.sha256(token.encode()).hexdigest()
        return VerifiedToken(
            TRUST_DOMAIN, claims["sub"], f"sha256.{digest}", claims["iat"], claims["exp"] + 30.0, digest
        )

    async def prove(self, token: str, now: float, inventory: Inventory) -> Proven:
        verified = await self.verify(token, now)
        for agent in inventory.agents.values():
            if any((one.issuer, one.subject) == (verified.issuer, verified.subject) for one in agent.identities):
                return Proven(
                    agent.id, "jwt_svid", verified.token_id, verified.issued_at, verified.not_after, "",
                    scopes=(f"principal:{verified.issuer}|{verified.subject}",), issuer=verified.issuer,
                    subject=verified.subject, evidence=f"sha256:{verified.digest}",
                )  # fmt: skip
        raise unproven("identity_invalid", "svid of nobody")


def svid(subject: str, audience: str, now: float, **changes: Any) -> str:
    """A JWT-SVID of this workload for this audience."""
    said = {"sub": subject, "aud": [audience], "iat": int(now), "exp": int(now) + 300} | changes
    return sign(said, {"alg": "ES256", "kid": "svid"}, name="svid")
