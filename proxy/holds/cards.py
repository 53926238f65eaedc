"""The cards of holds, opened for people who may see them."""

import json
from collections.abc import Sequence

from proxy.holds.card import Card
from proxy.holds.interfaces import HoldStore
from proxy.holds.model import Hold
from proxy.holds.sealing import SealBroken, Sealer


class Cards:
    """Opens sealed cards. One that cannot be opened is empty, and nobody can approve it."""

    def __init__(self, store: HoldStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def read(self, holds: Sequence[Hold]) -> list[Card]:
        """What the approver of each of these holds is shown; empty where it cannot be opened."""
        sealed = await self._store.sealed_cards([hold.id for hold in holds])
        return [self._open(sealed.get(hold.id, b""), hold.id) for hold in holds]

    def _open(self, sealed: bytes, hold_id: str) -> Card:
        try:
            card = json.loads(self._sealer.open(sealed, hold_id))
        except (SealBroken, ValueError):
            return {}
        return card if isinstance(card, dict) else {}
