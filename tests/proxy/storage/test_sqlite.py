"""The embedded store, whole."""

import asyncio
from pathlib import Path

import pytest

from proxy.control.interfaces import PersonCredentialStore
from proxy.errors import StoreUnavailable
from proxy.holds.interfaces import HoldStore
from proxy.identity.interfaces import HandleStore
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.interfaces import RevocationStore
from tests.fakes.held_calls import store_path
from tests.proxy.storage.opening import opened


def test_one_store_is_every_store(tmp_path: Path) -> None:
    """The type checker sees one object that keeps all four promises."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            handles: HandleStore = store
            revocations: RevocationStore = store
            people: PersonCredentialStore = store
            holds: HoldStore = store
            assert {handles, revocations, people, holds} == {store}

    asyncio.run(story())


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    """After the end every question is an outage, and the thread is gone."""
    store = SqliteStore.open(store_path(tmp_path))
    store.close()
    store.close()
    with pytest.raises(StoreUnavailable):
        asyncio.run(store.all_revocations())


def test_the_token_of_changes_survives_a_new_connection(tmp_path: Path) -> None:
    """After an error of the reading connection the token is new, so that nothing is missed."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            before = await store.change_token()
            store._watcher._thread.submit(store._watcher._drop).result()
            assert await store.change_token() > before

    asyncio.run(story())
