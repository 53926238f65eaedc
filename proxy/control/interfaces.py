"""What the control API needs from a store: the credentials of people."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class PersonCredential:
    """A person's API token, one-time sign-in code, or browser session. Only its SHA-256 is kept."""

    id: str
    digest: str
    kind: Literal["token", "sign_in_code", "session"]
    person: str
    issued_at: float
    not_after: float
    issued_by: str
    used_at: float | None = None
    revoked_at: float | None = None


class PersonCredentialStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def add_credential(self, row: PersonCredential) -> None: ...

    async def credential_by_digest(self, digest: str) -> PersonCredential | None: ...

    async def use_sign_in_code(self, digest: str, at: float) -> PersonCredential | None:
        """The code's row, exactly once: the second caller, and any caller after its end, gets None."""
        ...

    async def revoke_credential(self, credential_id: str, at: float) -> bool: ...

    async def list_credentials(self, person: str) -> list[PersonCredential]: ...
