"""JWT-SVIDs as assertions to our authorization server (draft-ietf-oauth-spiffe-client-auth): for its issuer alone."""

from collections.abc import Callable

from proxy.errors import Refused
from proxy.facts import Inventory
from proxy.identity.compact import read
from proxy.identity.svids import JwtSvidVerifier
from proxy.identity.token_cache import VerifiedToken
from proxy.stages import Proven


class AssertionSvids:
    """`verifier` takes those for our issuer's identifier; `agent_of` says which agent one is of."""

    def __init__(self, verifier: JwtSvidVerifier, agent_of: Callable[[VerifiedToken, Inventory], Proven]) -> None:
        self._verifier = verifier
        self._agent_of = agent_of

    def recognises(self, token: str) -> bool:
        """Whether it says to be one. Nothing is believed by that."""
        try:
            return self._verifier.recognises(read(token))
        except Refused:
            return False

    async def verify(self, token: str, now: float) -> VerifiedToken:
        """Whose it is: `spiffe://<trust domain>`, and the SPIFFE ID as subject; else a refusal."""
        return await self._verifier.verify(token, now)

    async def prove(self, token: str, now: float, inventory: Inventory) -> Proven:
        """Which agent's it is; else a refusal."""
        return self._agent_of(await self.verify(token, now), inventory)
