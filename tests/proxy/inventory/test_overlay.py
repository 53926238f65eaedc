"""Hearing of what the store holds."""

import asyncio
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.facts import Held
from proxy.inventory.overlay import Overlay
from proxy.storage.sqlite import SqliteStore
from tests.conformance.ownership_store import state


def test_every_change_is_put_in_force_once(tmp_path: Path) -> None:
    """The first hearing puts what there is, later ones only what changed; when it returns, it is in force."""

    async def story() -> None:
        store, put = SqliteStore.open(tmp_path / "s.db"), []
        overlay = Overlay(store, put.append)
        await overlay.hear()
        await overlay.hear()
        assert put == [Held()]
        await store.put_person_state(state("olivia"))
        await asyncio.gather(*(overlay.hear() for _ in range(5)))
        assert [held.deactivated for held in put] == [frozenset(), {"olivia"}]
        store.close()

    asyncio.run(story())


def test_what_cannot_be_heard_leaves_the_last_in_force(tmp_path: Path) -> None:
    """A store that is down is an error; nobody comes back by it."""

    async def story() -> None:
        store, put = SqliteStore.open(tmp_path / "s.db"), []
        await store.put_person_state(state("olivia"))
        overlay = Overlay(store, put.append)
        await overlay.hear()
        store.close()
        with pytest.raises(StoreUnavailable):
            await overlay.hear()
        assert [held.deactivated for held in put] == [{"olivia"}]

    asyncio.run(story())
