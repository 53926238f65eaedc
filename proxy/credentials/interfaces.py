"""The seam behind which every kind of credential binding stands."""

from dataclasses import dataclass
from typing import Protocol

from proxy.facts import Binding, Obtained
from proxy.stages import Identity, Injection, Request, Secret


class CredentialKind[B: Binding](Protocol):
    """How one kind of binding becomes what goes onto a request. `tests/conformance` says what each must do.

    A kind never falls back: what it cannot obtain is a refusal, 503 `credential_unavailable`. It does not ask
    again when the service answers 401, since that would send one decided call twice; the next call gets a new one.
    """

    async def obtain(self, binding: B, request: Request, identity: Identity, now: float) -> Injection:
        """What this request gets for this caller. `secrets` holds every secret in it, in each form it is sent in."""
        ...


@dataclass(frozen=True, slots=True)
class Held[V]:
    """A credential that was obtained, until when it lives, and whether its source can end it before that."""

    value: V
    obtained_at: float
    expires_at: float
    revocable: bool = False


class Source[B: Obtained, V](Protocol):
    """Where credentials of one kind come from."""

    async def fetch(self, binding: B, identity: Identity, now: float) -> Held[V]:
        """A new credential for this caller, or a refusal."""
        ...

    async def revoke(self, binding: B, held: Held[V], now: float) -> None:
        """Ends it at its source; asked for `revocable` ones only. `Refused` if that did not succeed."""
        ...


class TokenMint(Protocol):
    """Mints the tokens that we show another authorization server: for whom a call is made, and who makes it."""

    async def subject_token(self, identity: Identity, audience: str, now: float) -> Secret:
        """A token about the root of the chain, for this audience only; refuses if there is no such principal."""
        ...

    async def actor_token(self, identity: Identity, audience: str, now: float) -> Secret:
        """A token about the calling agent itself, for this audience only."""
        ...
