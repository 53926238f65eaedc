"""An agent's own key as its credential: signed assertions, each for one request (RFC 7523 section 3, RFC 8725)."""

import hashlib
import json
from collections.abc import Mapping
from typing import cast

from policies.model import Json
from proxy.facts import Agent
from proxy.identity.challenges import unproven
from proxy.identity.claims import check_claims
from proxy.identity.compact import read
from proxy.identity.interfaces import ReplayStore
from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import read_key_set
from proxy.identity.signed_tokens import check_signature
from proxy.stages import Proven

ALGORITHMS = ("ES256", "EdDSA")
MAX_LIFE = 60
_LEEWAY = 30
# Nothing that is signed for another purpose says so in its header, or says nothing.
_TYPES = frozenset({"", "jwt", "client-authentication+jwt"})


class AssertionVerifier:
    """Verifies assertions that are addressed to us, by keys that the inventory knows of the agent, once each."""

    def __init__(self, issuer: str, replays: ReplayStore) -> None:
        self._issuer = issuer
        self._replays = replays

    async def prove(self, assertion: str, agents: Mapping[str, Agent], now: float) -> Proven:
        """The agent that signed this assertion for us, for the first time; else a refusal."""
        unverified = read(assertion)
        if unverified.typ not in _TYPES or unverified.algorithm not in ALGORITHMS:
            raise unproven("identity_invalid", "assertion_type")
        subject = unverified.claims.get("sub")
        agent = agents.get(subject) if isinstance(subject, str) else None
        if agent is None or not agent.client_keys:
            raise unproven("identity_invalid", "assertion_client_without_keys")
        profile = self._profile(agent)
        check_claims(unverified.claims, profile, now)
        token_id = unverified.claims.get("jti")
        if not isinstance(token_id, str):
            raise unproven("identity_invalid", "assertion_jti")
        document = json.dumps({"keys": [dict(key) for key in agent.client_keys]}).encode()
        key = read_key_set(document, profile).find(unverified.key_id)
        if key is None:
            raise unproven("identity_invalid", "assertion_key")
        check_signature(assertion, unverified, key)
        await self._require_first(agent, token_id, unverified.claims, now)
        return self._proven(agent, token_id, assertion, unverified.claims)

    def _profile(self, agent: Agent) -> IssuerSettings:
        # INVARIANT: the URL is never fetched; the keys are those of the inventory
        return IssuerSettings(
            agent.id,
            self._issuer,
            ALGORITHMS,
            typ="",
            jwks_url="https://127.0.0.1/jwks.json",
            max_lifetime_s=MAX_LIFE,
            leeway_s=_LEEWAY,
        )

    async def _require_first(self, agent: Agent, token_id: str, claims: Mapping[str, Json], now: float) -> None:
        """Durable before anything follows from it, so that no second process takes the same assertion."""
        used = hashlib.sha256(f"{agent.id}\0{token_id}".encode()).hexdigest()
        until = float(cast("int", claims["exp"])) + _LEEWAY + 1
        if not await self._replays.use_once(f"assertion:{used}", until, now):
            raise unproven("identity_invalid", "assertion_replayed")

    def _proven(self, agent: Agent, token_id: str, assertion: str, claims: Mapping[str, Json]) -> Proven:
        issued, expires = cast("int", claims["iat"]), cast("int", claims["exp"])
        return Proven(
            agent=agent.id,
            method="private_key_jwt",
            credential=f"assertion:{token_id}",
            issued_at=float(issued - _LEEWAY),
            not_after=float(expires + _LEEWAY),
            task="",
            scopes=(f"principal:{agent.id}",),
            issuer=agent.id,
            subject=agent.id,
            evidence="sha256:" + hashlib.sha256(assertion.encode()).hexdigest(),
        )
