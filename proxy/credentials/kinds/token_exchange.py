"""Token exchange (RFC 8693): a token on behalf of whoever stands at the root of the chain."""

import re

from proxy.credentials.interfaces import Held
from proxy.credentials.means import Means
from proxy.credentials.oauth import TokenEndpoint
from proxy.credentials.placing import as_bearer
from proxy.credentials.references import unavailable
from proxy.errors import refuse
from proxy.facts import TokenExchangeBinding
from proxy.stages import Identity, Injection, Request, Secret

_TYPE = "urn:ietf:params:oauth:token-type:"
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_SLOT = re.compile(r"\{(principal|agent|task)\}")


class TokenExchange:
    """The subject is never the agent itself, and never somebody whom only the agent named."""

    def __init__(self, means: Means) -> None:
        self._references = means.references
        self._held = means.held
        self._mint = means.mint
        self._tokens = TokenEndpoint(means.references, means.endpoints)

    async def obtain(
        self,
        binding: TokenExchangeBinding,
        request: Request,  # noqa: ARG002 - the seam's
        identity: Identity,
        now: float,
    ) -> Injection:
        """The access token of this delegation; 403 for a call that is made for nobody who is proven."""
        chain = identity.chain
        if not chain.hops or not chain.complete or any(hop.level == "asserted" for hop in chain.hops):
            raise refuse(
                "credential_needs_principal",
                403,
                "This service is called on behalf of a person or a process, and this call shows none that is proven.",
                internal=f"binding {binding.id}: a chain of {len(chain.hops)} hops",
            )
        return as_bearer(binding, await self._held.get(self, binding, identity, now))

    async def fetch(self, binding: TokenExchangeBinding, identity: Identity, now: float) -> Held[Secret]:
        """A new token for this subject, acted for by this actor."""
        audience = binding.assertion_audience or binding.token_url
        subject = await self._shown(binding.subject_token, "subject", identity, audience, now)
        form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", f"{_TYPE}access_token"),
            ("subject_token", subject.value),
            ("subject_token_type", f"{_TYPE}{binding.subject_token_type}"),
        ]
        if binding.actor_token is not None:
            actor = await self._shown(binding.actor_token, "actor", identity, audience, now)
            form += [("actor_token", actor.value), ("actor_token_type", f"{_TYPE}{binding.actor_token_type}")]
        return await self._tokens.token(binding, form, now, exchanged=True)

    async def revoke(self, binding: TokenExchangeBinding, held: Held[Secret], now: float) -> None:
        """Ends the token (RFC 7009)."""
        await self._tokens.revoke(binding, held, now)

    async def _shown(self, source: str, who: str, identity: Identity, audience: str, now: float) -> Secret:
        """A token about the subject or the actor: minted for this, or read from where it is kept."""
        if source != "minted":
            return self._references.read(_filled(source, identity))
        if self._mint is None:
            raise unavailable(source, f"nothing here mints tokens about the {who}")
        if who == "subject":
            return await self._mint.subject_token(identity, audience, now)
        return await self._mint.actor_token(identity, audience, now)


def _filled(reference: str, identity: Identity) -> str:
    """The reference with the call's own names in it; a name that could lead elsewhere is a refusal."""
    names = {"principal": identity.chain.root.id, "agent": identity.agent.id, "task": identity.proven.task}
    for slot in _SLOT.findall(reference):
        if not _PLAIN.fullmatch(names[slot]):
            raise unavailable(reference, f"the {slot}'s name cannot stand in a path")
    return _SLOT.sub(lambda match: names[match[1]], reference)
