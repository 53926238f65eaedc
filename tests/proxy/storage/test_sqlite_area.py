"""What every area of the store shares."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from tests.conformance.hold_store import LIMITS, new
from tests.fakes.held_calls import hold, store_path
from tests.fakes.waiting import PATIENCE
from tests.proxy.storage.opening import opened


def test_reads_do_not_wait_for_a_writer(tmp_path: Path) -> None:
    """While another process is in the middle of a write, what was there before can still be read."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            made = hold()
            await store.create_hold(new(made), LIMITS)
            with closing(sqlite3.connect(store_path(tmp_path), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                other.execute("UPDATE holds SET owner = 'x'")
                assert await store.load_hold(made.id) == made

    asyncio.run(story())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The reading connection sees every write that has returned."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            for _ in range(20):
                made = hold(key=hold().key)
                stored = await store.create_hold(new(made), LIMITS)
                assert await store.load_hold(stored.id) == stored  # type: ignore[union-attr] # no limit is near

    asyncio.run(story())


def test_what_the_gate_must_hear_waits_for_no_page(tmp_path: Path) -> None:
    """While a long list is being read, changes, revocations, attestations and suspended tasks are heard at once."""

    async def story() -> None:
        done = threading.Event()
        async with opened(tmp_path) as store:
            page = asyncio.ensure_future(store._reader.run(lambda _: done.wait(60)))
            try:
                async with asyncio.timeout(PATIENCE):
                    await store.change_token()
                    assert await store.all_revocations() == []
                    await store.held_token()
                    await store.held()
                    assert await store.suspended_tasks() == []
                assert not page.done()
            finally:
                done.set()
                await page

    asyncio.run(story())
