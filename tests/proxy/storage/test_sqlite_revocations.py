"""The SQLite store is a RevocationStore, and counts by itself what may no longer go on."""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.storage.sqlite import SqliteStore
from proxy.tasks.budget import Charge
from tests.conformance.handle_store import ROW
from tests.conformance.revocation_store import RevocationStoreConformance
from tests.conformance.task_store import PARENT
from tests.proxy.storage.opening import opened


class TestSqliteRevocationStore(RevocationStoreConformance):
    """The whole suite, on a real file."""

    def opened(self, place: Path) -> AbstractAsyncContextManager[SqliteStore]:
        return opened(place)


def test_where_tasks_and_handles_stand_is_counted(tmp_path: Path) -> None:
    """A new task, a task that moves and a revoked handle are counted for other processes; a budget is not."""

    async def story() -> None:
        async with opened(tmp_path) as mine, opened(tmp_path) as other:
            await mine.add_handle(ROW)
            for act, counts in (
                (mine.add_task(PARENT), True),
                (mine.move_task(PARENT.moved("suspended", at=1.0, by="x", reason=""), "active"), True),
                (mine.revoke_handle(ROW.id, 1.0, "x", ""), True),
                (mine.charge([Charge("task_p", "calls", 1)]), False),
                (mine.use_once("k", 2.0, 1.0), False),
            ):
                before = await other.counts()
                await act
                after = await other.counts()
                assert (after.standings != before.standings) is counts
                assert after.revocations == before.revocations

    asyncio.run(story())


def test_a_new_connection_trusts_no_count(tmp_path: Path) -> None:
    """After an error of the watching connection everything is read again: the file may be another one."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            before = await store.counts()
            store._watcher._thread.submit(store._watcher._drop).result()
            assert (await store.counts()).reading != before.reading

    asyncio.run(story())
