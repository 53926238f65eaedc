"""What ended long ago leaves SQLite; what anything rests on stays."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.holds.model import TERMINAL, Attempt, State
from proxy.storage.sqlite import SqliteStore
from proxy.storage.sqlite_history import HISTORIES
from proxy.tasks.interfaces import Revocation
from tests.conformance.handle_store import ROW
from tests.conformance.hold_store import LIMITS, change, new
from tests.conformance.person_credential_store import SESSION
from tests.conformance.task_store import CHILD, GRANDCHILD, PARENT
from tests.fakes.held_calls import hold, store_path
from tests.fakes.tasks import NOW
from tests.proxy.storage.opening import opened

DAY = 86_400.0
LATER = NOW + 10 * DAY


async def forget(store: SqliteStore, before: float = LATER) -> dict[str, int]:
    """Everything, and how much of each kind that was."""
    gone: dict[str, int] = {}
    for kind in HISTORIES:
        while piece := await store.forget_ended(kind, before):
            gone[kind] = gone.get(kind, 0) + piece
    assert not await store.has_ended_before(before)
    return gone


def left(place: Path) -> dict[str, int]:
    """How many rows each table that can be emptied has."""
    tables = (
        "handles", "person_credentials", "holds", "votes", "attempts", "hold_scopes", "hold_events", "tasks",
        "task_ancestors", "task_budgets",
    )  # fmt: skip
    with closing(sqlite3.connect(store_path(place))) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        counts = {one: connection.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in tables}
    return {table: count for table, count in counts.items() if count}


def test_what_ended_long_ago_goes_with_its_parts(tmp_path: Path) -> None:
    """A handle, a session, a closed hold with all that hangs on it, and a family of tasks: the youngest first."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.add_handle(replace(ROW, task="task_c"))
            await store.add_credential(SESSION)
            await closed(store, State.DENIED)
            for task in (PARENT, CHILD, GRANDCHILD):
                await store.add_task(task)
            for task in (PARENT, CHILD, GRANDCHILD):
                await store.move_task(task.moved("completed", at=NOW, by="x", reason=""), "active")
            assert await store.has_ended_before(LATER)
            assert await forget(store) == {"handles": 1, "person_credentials": 1, "holds": 1, "tasks": 3}

    asyncio.run(story())
    assert left(tmp_path) == {}


def test_what_has_not_ended_by_then_stays(tmp_path: Path) -> None:
    """Neither what lives, nor what ended since, nor a task that nobody ended."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.add_handle(replace(ROW, not_after=LATER))
            await store.add_credential(replace(SESSION, not_after=LATER))
            await closed(store, State.DENIED, at=LATER)
            await store.add_task(PARENT)
            assert await forget(store) == {}

    asyncio.run(story())
    assert left(tmp_path).keys() >= {"handles", "person_credentials", "holds", "hold_events", "tasks", "task_budgets"}


@pytest.mark.parametrize("state", list(State))
def test_only_a_hold_that_is_settled_goes(tmp_path: Path, state: State) -> None:
    """An open one stays, and one of unknown outcome; an executed one for more than a year."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await closed(store, state)
            gone = {"holds": 1} if state in TERMINAL - {State.EXECUTED} else {}
            assert await forget(store) == gone
            much_later = {"holds executed": 1} if state is State.EXECUTED else {}
            assert await forget(store, LATER + 400 * DAY) == much_later

    asyncio.run(story())


def test_a_hold_whose_story_is_not_in_the_log_stays(tmp_path: Path) -> None:
    """What is taken out of the store is told nowhere else."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await closed(store, State.DENIED, recorded=False)
            assert await forget(store) == {}

    asyncio.run(story())


@pytest.mark.parametrize("state", ["reserved", "sent", "unknown"])
def test_a_hold_of_which_a_call_may_be_out_stays(tmp_path: Path, state: str) -> None:
    """Even if the hold says that it is closed."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            attempt = Attempt("att_1", "node", "call_1", NOW, state)  # type: ignore[arg-type] # named above
            await closed(store, State.DENIED, attempts=[attempt])
            assert await forget(store) == {}

    asyncio.run(story())


def test_what_an_end_in_force_names_stays(tmp_path: Path) -> None:
    """Until it is lifted or forgotten: a task that is not known any more would bound nothing."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.add_handle(ROW)
            await store.add_task(PARENT)
            await store.move_task(PARENT.moved("revoked", at=NOW, by="x", reason=""), "active")
            for scope in (f"handle:{ROW.id}", f"task:{PARENT.id}"):
                await store.put_revocation(Revocation(scope, NOW, "x", "y"))
            assert await forget(store) == {}
            for scope in (f"handle:{ROW.id}", f"task:{PARENT.id}"):
                await store.lift_revocation(scope)
            assert await forget(store) == {"handles": 1, "tasks": 1}

    asyncio.run(story())


@pytest.mark.parametrize("keeps", ["child", "handle", "open hold"])
def test_a_task_on_which_something_rests_stays(tmp_path: Path, keeps: str) -> None:
    """A task below it, a handle that names it, a hold that is open."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            await store.add_task(PARENT)
            if keeps == "child":
                await store.add_task(CHILD)
            elif keeps == "handle":
                await store.add_handle(replace(ROW, task=PARENT.id, not_after=LATER))
            else:
                await store.create_hold(new(replace(hold(), task=PARENT.id)), LIMITS)
            await store.move_task(PARENT.moved("completed", at=NOW, by="x", reason=""), "active")
            assert await forget(store) == {}

    asyncio.run(story())


def test_it_goes_in_pieces(tmp_path: Path) -> None:
    """One transaction is short, however much there is."""

    async def story() -> None:
        async with opened(tmp_path) as store:
            for n in range(150):
                await store.add_handle(replace(ROW, id=f"hnd_{n}", digest=str(n)))
            assert [await store.forget_ended("handles", LATER) for _ in range(3)] == [100, 50, 0]

    asyncio.run(story())


async def closed(
    store: SqliteStore, state: State, *, at: float = NOW, recorded: bool = True, attempts: Sequence[Attempt] = ()
) -> None:
    """A hold in this state since then."""
    made = hold()
    stored = await store.create_hold(new(made, "global"), LIMITS)
    assert stored == made
    after = await store.apply_transition(change(made, state=state, closed_at=at, attempts=tuple(attempts)))
    assert after is not None
    if recorded:
        events = await store.unrecorded_events(None, float("inf"))
        await store.mark_recorded({event.seq: 1 for event in events})
