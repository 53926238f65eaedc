"""What revocation needs from a store."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Revocation:
    """Everything under `scope` that was issued at or before `at` is dead (or frozen) until lifted.

    Scopes: `global`, `team:x`, `owner:x`, `principal:x`, `agent:x`, `class:x`, `task:x`, `token:iss|jti`,
    `handle:x`, `credential:x`, `service:x`, `tool:service/name`, `connection:x`.
    """

    scope: str
    at: float
    by: str
    reason: str
    kind: Literal["revoke", "freeze"] = "revoke"


class RevocationStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def put_revocation(self, revocation: Revocation) -> None:
        """Durable when it returns. One row a scope: a later one replaces an earlier one."""
        ...

    async def lift_revocation(self, scope: str) -> bool: ...

    async def all_revocations(self) -> list[Revocation]: ...

    async def change_token(self) -> int:
        """A number that differs after any change by any process; cheap enough for every 50 ms."""
        ...
