"""OAuth 2.0 client credentials (RFC 6749 section 4.4): a token for ourselves."""

from proxy.credentials.interfaces import Held
from proxy.credentials.means import Means
from proxy.credentials.oauth import TokenEndpoint
from proxy.credentials.placing import as_bearer
from proxy.facts import OAuthClientCredentialsBinding
from proxy.stages import Identity, Injection, Request, Secret


class OAuthClientCredentials:
    """Each delegation has a token of its own, so that ending a task ends no other one's."""

    def __init__(self, means: Means) -> None:
        self._held = means.held
        self._tokens = TokenEndpoint(means.references, means.endpoints)

    async def obtain(
        self,
        binding: OAuthClientCredentialsBinding,
        request: Request,  # noqa: ARG002 - the seam's
        identity: Identity,
        now: float,
    ) -> Injection:
        """The access token of this delegation."""
        return as_bearer(binding, await self._held.get(self, binding, identity, now))

    async def fetch(
        self,
        binding: OAuthClientCredentialsBinding,
        identity: Identity,  # noqa: ARG002 - the token says nothing of it
        now: float,
    ) -> Held[Secret]:
        """A new token."""
        return await self._tokens.token(binding, [("grant_type", "client_credentials")], now)

    async def revoke(self, binding: OAuthClientCredentialsBinding, held: Held[Secret], now: float) -> None:
        """Ends the token (RFC 7009)."""
        await self._tokens.revoke(binding, held, now)
