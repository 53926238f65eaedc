"""Attestations and the states of people in SQLite."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.facts import Held
from proxy.storage.sqlite import SqliteStore
from tests.conformance.ownership_store import OwnershipStoreConformance, attestation, state
from tests.fakes.held_calls import store_path
from tests.proxy.storage import opening


class TestSqliteOwnership(OwnershipStoreConformance):
    """The suite on the real file."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[SqliteStore]:
        async with opening.opened(place) as store:
            yield store


def test_a_store_that_is_down_is_never_an_empty_one(tmp_path: Path) -> None:
    """Neither nobody deactivated nor nothing attested: an error, for each question and each change."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            await store.put_person_state(state("olivia"))
        for asked in (
            store.held(), store.held_token(), store.attestations("agent:bot"), store.person_states("olivia"),
            store.put_person_state(state("bob")), store.add_attestation(attestation("a1"), ""),
        ):  # fmt: skip
            with pytest.raises(StoreUnavailable):
                await asked

    asyncio.run(story())


def test_a_locked_store_attests_and_deactivates_nothing(tmp_path: Path) -> None:
    """Somebody else holds the lock: an error in time, and nothing is stored; when they let go, it works."""

    async def story() -> None:
        async with opening.opened(tmp_path) as store:
            path = store_path(tmp_path)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreUnavailable):
                    await store.add_attestation(attestation("a1"), "")
                with pytest.raises(StoreUnavailable):
                    await store.put_person_state(state("olivia"))
                other.execute("ROLLBACK")
            assert (await store.held())[1] == Held()
            assert await store.add_attestation(attestation("a1"), "")

    asyncio.run(story())
