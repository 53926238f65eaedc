"""What the store holds on top of the files, heard whenever it changes, and brought into force as a whole."""

import asyncio
from collections.abc import Callable

from proxy.facts import Held
from proxy.inventory.interfaces import OwnershipStore


class Overlay:
    """Reads attestations and people's states. `put` brings them into force; it must neither block nor raise."""

    def __init__(self, store: OwnershipStore, put: Callable[[Held], None]) -> None:
        self._store = store
        self._put = put
        self._token: int | None = None
        self._one_at_a_time = asyncio.Lock()  # an older reading must not overwrite a newer one

    async def hear(self) -> None:
        """What is held is in force when this returns; raises `StoreUnavailable`, and then the last one stays."""
        async with self._one_at_a_time:
            if await self._store.held_token() != self._token:
                self._token, held = await self._store.held()
                self._put(held)
