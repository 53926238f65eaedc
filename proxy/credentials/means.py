"""What kinds of bindings are given to work with."""

from dataclasses import dataclass, field

from proxy.credentials.endpoints import Endpoints
from proxy.credentials.held import HeldCredentials
from proxy.credentials.interfaces import TokenMint
from proxy.credentials.references import References


@dataclass(frozen=True, slots=True)
class Means:
    """Where secrets are read, how endpoints are called, what is held, and who mints tokens (None: nobody)."""

    references: References
    endpoints: Endpoints = field(default_factory=Endpoints)
    held: HeldCredentials = field(default_factory=HeldCredentials)
    mint: TokenMint | None = None
