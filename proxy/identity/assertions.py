"""A client's own key as its credential: signed assertions, each for one request (RFC 7523 section 3, RFC 8725)."""

import hashlib
from collections.abc import Container, Mapping
from typing import Protocol, cast

from pydantic import JsonValue

from policies.model import Json
from proxy.errors import Refused
from proxy.identity.challenges import unproven
from proxy.identity.claims import check_claims
from proxy.identity.client_keys import ALGORITHMS, client_keys
from proxy.identity.compact import read
from proxy.identity.interfaces import ReplayStore
from proxy.identity.issuers import MAX_LEEWAY, IssuerSettings
from proxy.identity.lineage import name_of, scope_of_client_key
from proxy.identity.methods import CLIENT_ASSERTION
from proxy.identity.signed_tokens import check_signature
from proxy.stages import Proven

MAX_LIFE = 60
# Nothing that is signed for another purpose says so in its header, or says nothing.
_TYPES = frozenset({"", "jwt", "client-authentication+jwt"})


class HasKeys(Protocol):
    """An agent, or a service, of which the inventory knows keys."""

    @property
    def client_keys(self) -> tuple[Mapping[str, JsonValue], ...]: ...


class AssertionVerifier:
    """Verifies assertions that are addressed to us, by keys that the inventory knows of the client, once each."""

    def __init__(self, issuer: str, replays: ReplayStore) -> None:
        self._issuer = issuer
        self._replays = replays

    def names(self, assertion: str, clients: Container[str]) -> bool:
        """Whether it says to be of one of these clients. Nothing is believed by that."""
        try:
            subject = read(assertion).claims.get("sub")
        except Refused:
            return False
        return isinstance(subject, str) and subject in clients

    async def prove(self, assertion: str, clients: Mapping[str, HasKeys], now: float) -> Proven:
        """The client that signed this assertion for us, for the first time; else a refusal."""
        unverified = read(assertion)
        if unverified.typ not in _TYPES or unverified.algorithm not in ALGORITHMS:
            raise unproven("identity_invalid", "assertion_type")
        subject = unverified.claims.get("sub")
        client = clients.get(subject) if isinstance(subject, str) else None
        if not isinstance(subject, str) or client is None or not client.client_keys:
            raise unproven("identity_invalid", "assertion_client_without_keys")
        profile = self._profile(subject)
        check_claims(unverified.claims, profile, now)
        token_id = unverified.claims.get("jti")
        if not isinstance(token_id, str):
            raise unproven("identity_invalid", "assertion_jti")
        key = client_keys(subject, client.client_keys).find(unverified.key_id)
        if key is None:
            raise unproven("identity_invalid", "assertion_key")
        check_signature(assertion, unverified, key)
        await self._require_first(subject, token_id, unverified.claims, now)
        return self._proven(subject, name_of(key.key), assertion, unverified.claims)

    def _profile(self, client: str) -> IssuerSettings:
        # INVARIANT: the URL is never fetched; the keys are those of the inventory
        return IssuerSettings(
            client,
            self._issuer,
            ALGORITHMS,
            typ="",
            jwks_url="https://127.0.0.1/jwks.json",
            max_lifetime_s=MAX_LIFE,
            leeway_s=MAX_LEEWAY,
        )

    async def _require_first(self, client: str, token_id: str, claims: Mapping[str, Json], now: float) -> None:
        """Durable before anything follows from it, so that no second process takes the same assertion."""
        used = hashlib.sha256(f"{client}\0{token_id}".encode()).hexdigest()
        until = float(cast("int", claims["exp"])) + MAX_LEEWAY + 1
        if not await self._replays.use_once(f"assertion:{used}", until, now):
            raise unproven("identity_invalid", "assertion_replayed")

    def _proven(self, client: str, key: str, assertion: str, claims: Mapping[str, Json]) -> Proven:
        issued, expires = cast("int", claims["iat"]), cast("int", claims["exp"])
        return Proven(
            agent=client,
            method=CLIENT_ASSERTION,
            credential=f"assertion:{claims['jti']}",
            issued_at=float(issued - MAX_LEEWAY),
            not_after=float(expires + MAX_LEEWAY),
            task="",
            scopes=(f"principal:{client}", scope_of_client_key(client, key)),
            evidence="sha256:" + hashlib.sha256(assertion.encode()).hexdigest(),
        )
