"""The cards of holds, opened for people who may see them."""

import json

from proxy.holds.card import Card
from proxy.holds.interfaces import HoldStore
from proxy.holds.model import Hold
from proxy.holds.sealing import SealBroken, Sealer


class Cards:
    """Opens sealed cards. One that cannot be opened is empty, and nobody can approve it."""

    def __init__(self, store: HoldStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def read(self, hold: Hold) -> Card:
        """What the approver of this hold is shown; empty if it cannot be opened."""
        sealed = await self._store.sealed_card(hold.id)
        try:
            card = json.loads(self._sealer.open(sealed or b"", hold.id))
        except (SealBroken, ValueError):
            return {}
        return card if isinstance(card, dict) else {}
