"""What signals need from a store, and from the kill switch."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from proxy.control.signals.model import Outgoing, Telling


class Revoke(Protocol):
    """Durable and in force in this process when it returns."""

    async def __call__(
        self, scope: str, by: str, reason: str, now: float, *, kind: Literal["revoke", "freeze"] = "revoke"
    ) -> object: ...


class Outbox(Protocol):
    """What waits to be told. Every method raises `StoreUnavailable` when the store cannot answer."""

    async def tell(self, tellings: Sequence[Telling]) -> int:
        """Put the tokens of each telling in line, unless its receiver was told of this end, or a later one, already.

        All of it or nothing, durable when it returns. Gives the number of tellings that were new.
        """
        ...

    async def told(self, receiver: str) -> dict[str, float]:
        """The scopes of whose ends this receiver was told, or will be, with the time of each end."""
        ...

    async def forget_told(self, in_force: Collection[str]) -> None:
        """Scopes that are not in force need not be remembered any more."""
        ...

    async def add_outgoing(self, token: Outgoing) -> None:
        """Put one token in line that tells of no end."""
        ...

    async def outgoing(self, receiver: str, limit: int) -> list[Outgoing]:
        """The first in line, in the order in which they were put there."""
        ...

    async def outgoing_before(self, at: float, limit: int) -> list[Outgoing]:
        """The first that were made before `at`, of every receiver."""
        ...

    async def drop_outgoing(self, receiver: str, token_ids: Collection[str]) -> int:
        """These are told, or given up. The number that were still in line."""
        ...

    async def waiting(self) -> dict[str, int]:
        """How many wait, for each receiver that has some in line."""
        ...
