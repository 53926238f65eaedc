"""One connection on its own thread, and what happens when SQLite cannot."""

import asyncio
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.holds.interfaces import HoldLimits, HoldQuery
from proxy.storage.database import Database
from proxy.storage.migrations import VERSION, prepare
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.interfaces import Revocation
from tests.conformance.hold_store import new
from tests.fakes.held_calls import hold, store_path
from tests.proxy.storage.opening import opened

ONE = Revocation("agent:a", 1.0, "x", "")


@contextmanager
def database(place: Path, *, writes: bool = True, busy: float = 0.05) -> Iterator[Database]:
    prepare(store_path(place), 1.0)
    made = Database(store_path(place), VERSION, busy_seconds=busy, writes=writes)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file can grow beyond what the store has now, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_work_runs_away_from_the_event_loop_one_after_the_other(tmp_path: Path) -> None:
    """Every function runs on the one thread of its database."""

    async def story(made: Database) -> set[int]:
        return set(await asyncio.gather(*(made.run(lambda _: threading.get_ident()) for _ in range(20))))

    with database(tmp_path) as made:
        threads = asyncio.run(story(made))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_work_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    """An exception of any kind rolls back, and the next function finds a database that works."""

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO revocations (scope, at, by, reason, kind) VALUES ('a', 1, 'b', '', 'revoke')")
        raise LookupError

    def count(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM revocations").fetchone()[0])

    with database(tmp_path) as made:
        with pytest.raises(LookupError):
            asyncio.run(made.run(half))
        assert asyncio.run(made.run(count)) == 0


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """The reading connection refuses every change."""
    with database(tmp_path, writes=False) as made, pytest.raises(StoreUnavailable, match="readonly"):
        asyncio.run(made.run(lambda connection: connection.execute("DELETE FROM revocations")))


def test_nonsense_is_a_bug_and_not_an_outage(tmp_path: Path) -> None:
    """A wrong number of values says so, instead of pretending that the store is away."""
    with database(tmp_path) as made, pytest.raises(RuntimeError, match="this is a bug"):
        asyncio.run(made.run(lambda connection: connection.execute("SELECT ?", ())))


def test_a_closed_database_answers_nothing(tmp_path: Path) -> None:
    """Asking after the end is an outage, and closing twice is not an error."""
    with database(tmp_path) as made:
        made.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            asyncio.run(made.run(lambda _: None))


def test_a_locked_store_is_an_outage_that_passes(tmp_path: Path) -> None:
    """While another process writes for too long, writes are refused; then they work again."""

    async def story() -> None:
        store = SqliteStore.open(store_path(tmp_path), busy_seconds=0.05)
        try:
            with closing(sqlite3.connect(store_path(tmp_path), isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreUnavailable, match="locked"):
                    await store.put_revocation(ONE)
                assert await store.all_revocations() == []
            await store.put_revocation(ONE)
            assert await store.all_revocations() == [ONE]
        finally:
            store.close()

    asyncio.run(story())


def test_a_full_disk_is_an_outage_that_passes(tmp_path: Path) -> None:
    """No write is acknowledged while the disk is full; nothing that was is lost; then it works again."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.put_revocation(ONE)
            wal = store_path(tmp_path).with_name("countersign.db-wal")
            limits, kept = HoldLimits(10**6, 10**6), []
            with full_disk(wal):
                refused = 0
                for number in range(30):
                    made = hold(key=hold().key.__class__("refunds", "c", f"sha256:{number}"))
                    try:
                        await store.create_hold(new(made), limits)
                    except StoreUnavailable:
                        refused += 1
                    else:
                        kept.append(made.id)
                assert refused
                assert await store.all_revocations() == [ONE]
            after = hold()
            await store.create_hold(new(after), limits)
            found = {of.id for of in await store.list_holds(HoldQuery())}
            assert found == {*kept, after.id}

    asyncio.run(story())


def test_a_store_that_cannot_be_written_is_an_outage_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that may only be read gives reads and refuses writes, until it may be written."""
    connect = sqlite3.connect

    def read_only(target: str, **how: object) -> sqlite3.Connection:
        return connect(target.replace("mode=rw", "mode=ro"), **how)  # type: ignore[call-overload,no-any-return] # as given

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.put_revocation(ONE)
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(sqlite3, "connect", read_only)
                store._writer._thread.submit(store._writer._drop).result()
                with pytest.raises(StoreUnavailable, match="readonly"):
                    await store.lift_revocation(ONE.scope)
                assert await store.all_revocations() == [ONE]
            assert await store.lift_revocation(ONE.scope) is True

    asyncio.run(story())


def test_a_lost_file_is_an_outage_and_not_an_empty_store(tmp_path: Path) -> None:
    """When the file is gone, nothing is answered from a new one that has forgotten everything."""
    with database(tmp_path) as made:
        store_path(tmp_path).unlink()
        with pytest.raises(StoreUnavailable, match="unable to open"):
            asyncio.run(made.run(lambda _: None))
    assert not store_path(tmp_path).exists()


def test_a_file_that_is_lost_while_it_is_open_is_an_outage(tmp_path: Path) -> None:
    """Nobody hears of revocations from what is gone, or from another in its place; once it is back they do."""
    path = store_path(tmp_path)

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.put_revocation(ONE)
            token = await store.change_token()
            aside = tmp_path / "aside"
            aside.mkdir()
            names = [path.name + end for end in ("", "-wal", "-shm")]
            for name in names:
                path.with_name(name).rename(aside / name)
            with pytest.raises(StoreUnavailable, match="is gone, or another file"):
                await store.change_token()
            with pytest.raises(StoreUnavailable, match="is gone, or another file"):
                await store.put_revocation(replace(ONE, scope="agent:lost"))
            prepare(path, 1.0)
            with pytest.raises(StoreUnavailable, match="is gone, or another file"):
                await store.change_token()
            for name in names:
                (aside / name).rename(path.with_name(name))
            assert await store.change_token() != token
            assert await store.all_revocations() == [ONE]

    asyncio.run(story())


def test_a_store_of_another_version_is_not_used(tmp_path: Path) -> None:
    """A process that runs old code beside a migrated store stops using it."""
    with database(tmp_path) as made:
        with closing(sqlite3.connect(store_path(tmp_path), isolation_level=None)) as connection:
            connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        with pytest.raises(StoreUnavailable, match="restart"):
            asyncio.run(made.run(lambda _: None))


WRITER = """
import asyncio, sys
from pathlib import Path
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.interfaces import Revocation

async def main():
    store = SqliteStore.open(Path(sys.argv[1]))
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        await store.put_revocation(Revocation(f"agent:{number}", 1.0, "x", ""))
        print(number, flush=True)
    store.close()

asyncio.run(main())
"""


def writer(place: Path, first: int, last: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, str(store_path(place)), str(first), str(last)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def revoked(place: Path) -> set[int]:
    async def read() -> set[int]:
        async with opened(place) as store:
            return {int(row.scope.removeprefix("agent:")) for row in await store.all_revocations()}

    return asyncio.run(read())


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path, acknowledged: int) -> None:
    """`kill -9` in the middle of writing: every write that returned is there, and the store opens."""
    with writer(tmp_path, 0, 10**6) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(acknowledged)]
        process.kill()
        told += [int(line) for line in process.stdout.read().splitlines() if line.isdecimal()]
        process.wait()
    found = revoked(tmp_path)
    assert set(told) <= found
    assert found <= set(range(len(told) + 2)), "something half-written was kept"


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    """Each waits its turn; no write fails, and all are there."""
    prepare(store_path(tmp_path), 1.0)
    with writer(tmp_path, 0, 60) as one, writer(tmp_path, 100, 160) as two:
        one.communicate()
        two.communicate()
        assert (one.returncode, two.returncode) == (0, 0)
    assert revoked(tmp_path) == {*range(60), *range(100, 160)}
