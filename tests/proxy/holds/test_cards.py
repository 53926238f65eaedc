"""Opening sealed cards."""

import asyncio

from proxy.holds.card import canonical
from proxy.holds.cards import Cards
from proxy.holds.sealing import Sealer
from tests.fakes.held_calls import hold


class OneCard:
    """A store with one sealed card, or none."""

    def __init__(self, sealed: bytes | None) -> None:
        self.sealed = sealed

    async def sealed_cards(self, hold_ids: list[str]) -> dict[str, bytes]:
        return {} if self.sealed is None else {hold_ids[0]: self.sealed}


def test_a_card_that_cannot_be_opened_is_empty() -> None:
    """Missing, under another key, of another hold, or no card at all: empty, never an exception."""
    sealer, of = Sealer(bytes(32)), hold()

    def read(sealed: bytes | None) -> object:
        (card,) = asyncio.run(Cards(OneCard(sealed), sealer).read([of]))  # type: ignore[arg-type] # one method is asked
        return card

    assert read(sealer.seal(canonical({"effect": "x"}), of.id)) == {"effect": "x"}
    assert read(None) == {}
    assert read(sealer.seal(b"{}", "hld_other")) == {}
    assert read(Sealer(b"k" * 32).seal(b"{}", of.id)) == {}
    assert read(sealer.seal(b"not json", of.id)) == {}
    assert read(sealer.seal(b"[1]", of.id)) == {}
