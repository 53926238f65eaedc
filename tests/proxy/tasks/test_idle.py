"""Tasks under which nothing goes on any more."""

import asyncio
from typing import Any, cast

import pytest

from proxy.errors import StoreUnavailable
from proxy.tasks.idle import IdleTasks
from proxy.tasks.task import Task
from tests.fakes.tasks import NOW, new_task
from tests.proxy.tasks.house import TaskHouse
from tests.proxy.tasks.test_guard import begun, call

BY = "operator:uid=0"


def watched(house: TaskHouse, seconds: int = 180) -> IdleTasks:
    """A task is idle after three looks."""
    return IdleTasks(house.tasks, house.store, house.guard.heard_of, seconds=seconds)


async def state(house: TaskHouse, task: Task) -> str:
    found = await house.tasks.find(task.id)
    assert found is not None
    return found.state


async def looks(idle: IdleTasks, number: int) -> None:
    for _ in range(number):
        await idle.look(NOW + 1)


def test_a_task_under_which_nothing_is_asked_is_completed(house: TaskHouse) -> None:
    """On record, by us and with the reason; what was issued under it is dead."""

    async def story() -> None:
        task, idle = await begun(house), watched(house)
        await looks(idle, 3)  # the first one only learns of it
        assert await state(house, task) == "active"
        await looks(idle, 1)
        found = await house.tasks.find(task.id)
        assert found is not None
        assert (found.state, found.changed_by) == ("completed", "countersign")
        assert found.reason == "nothing was asked under it for 3 minutes"
        assert house.feed.epochs.dead(task.scopes, NOW)
        assert house.told()[-1] == ("task.changed", "completed")
        await looks(idle, 5)
        assert len(house.records) == 2

    asyncio.run(story())


@pytest.mark.parametrize(("seconds", "first"), [(60, 1), (61, 2), (120, 2), (3600, 60)])
def test_it_is_never_sooner_than_was_set(house: TaskHouse, seconds: int, first: int) -> None:
    """Looks are a minute apart, and a part of one counts as a whole."""

    async def story() -> None:
        task, idle = await begun(house), watched(house, seconds)
        await looks(idle, first)
        assert await state(house, task) == "active"
        await looks(idle, 1)
        assert await state(house, task) == "completed"

    asyncio.run(story())


def test_a_call_begins_the_count_anew(house: TaskHouse) -> None:
    """However short it was, and whether or not it passed; of another task it counts for nothing here."""

    async def story() -> None:
        task, other, idle = await begun(house), await begun(house), watched(house)
        for _ in range(4):
            await looks(idle, 2)
            asked = call(task.id)
            await house.guard.bound(asked, NOW)
            house.guard.settle(asked.attributed.arrived.call_id, sent=True)
        assert await state(house, task) == "active"
        assert await state(house, other) == "completed"
        await looks(idle, 4)
        assert await state(house, task) == "completed"

    asyncio.run(story())


def test_a_call_that_begins_during_a_look_counts(house: TaskHouse) -> None:
    """Whether while the tasks are read, or while another is ended; and a look that fails forgets none."""

    async def story() -> None:
        first, second, third = await begun(house), await begun(house), await begun(house)
        resting, ended, asked = house.store.resting_tasks, house.tasks.end, [call(one.id) for one in (first, second)]

        class Store:
            down = False

            async def resting_tasks(self) -> list[str]:
                if self.down:
                    raise StoreUnavailable("down")
                if idle._silent.get(first.id) == 2:
                    await house.guard.bound(asked[0], NOW)
                return sorted(await resting(), key=[third.id, second.id, first.id].index)

        class Tasks:
            async def end(self, *args: Any, **options: Any) -> object:
                await house.guard.bound(asked[1], NOW)
                return await ended(*args, **options)

        store = Store()
        idle = IdleTasks(cast("Any", Tasks()), cast("Any", store), house.guard.heard_of, seconds=180)
        await looks(idle, 4)
        assert [await state(house, one) for one in (first, second, third)] == ["active", "active", "completed"]
        for one in asked:
            house.guard.settle(one.attributed.arrived.call_id, sent=True)
        store.down = True
        with pytest.raises(StoreUnavailable):
            await looks(idle, 1)
        store.down = False
        await looks(idle, 3)
        assert [await state(house, one) for one in (first, second)] == ["active", "active"]

    asyncio.run(story())


def test_a_task_with_a_call_under_way_is_not_idle(house: TaskHouse) -> None:
    """A stream of hours is one call."""

    async def story() -> None:
        task, idle = await begun(house), watched(house)
        asked = call(task.id)
        await house.guard.bound(asked, NOW)
        await looks(idle, 20)
        assert await state(house, task) == "active"
        house.guard.settle(asked.attributed.arrived.call_id, sent=True)
        await looks(idle, 4)
        assert await state(house, task) == "completed"

    asyncio.run(story())


@pytest.mark.parametrize("suspended", [False, True])
def test_a_task_is_not_idle_before_what_is_below_it(house: TaskHouse, suspended: bool) -> None:
    """The one that handed its work on waits for it; so does one whose part is suspended."""

    async def story() -> None:
        parent, idle = await begun(house), watched(house)
        child = await begun(house, parent)
        if suspended:
            await house.tasks.suspend(child.id, by=BY, reason="ask first", now=NOW)
            await looks(idle, 20)
            assert (await state(house, parent), await state(house, child)) == ("active", "suspended")
            await house.tasks.end(child.id, "completed", by=BY, reason="done", now=NOW)
        else:
            await looks(idle, 4)
            assert (await state(house, parent), await state(house, child)) == ("active", "completed")
        await looks(idle, 4)
        assert await state(house, parent) == "completed"

    asyncio.run(story())


def test_a_suspended_task_waits_for_people(house: TaskHouse) -> None:
    """It is not idle; resumed, it has all of its time again."""

    async def story() -> None:
        task, idle = await begun(house), watched(house)
        await looks(idle, 3)
        await house.tasks.suspend(task.id, by=BY, reason="ask first", now=NOW)
        await looks(idle, 20)
        await house.tasks.resume(task.id, by=BY, reason="asked", now=NOW)
        await looks(idle, 3)
        assert await state(house, task) == "active"
        await looks(idle, 1)
        assert await state(house, task) == "completed"

    asyncio.run(story())


def test_neither_a_clock_nor_a_restart_makes_a_task_idle(house: TaskHouse) -> None:
    """A clock that jumps by hours changes nothing, and who has just begun to look has seen nobody silent."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        for _ in range(5):
            idle = watched(house)
            await idle.look(NOW + 500)
            await idle.look(NOW - 7 * 3600)
            await idle.look(NOW + 7 * 3600)
        assert await state(house, task) == "active"

    asyncio.run(story())


def test_one_that_ended_meanwhile_keeps_no_other_from_being_completed(house: TaskHouse) -> None:
    """Its owner ended it at that very moment."""

    async def story() -> None:
        tasks, idle = [await begun(house) for _ in range(3)], watched(house)
        await looks(idle, 3)
        read = house.store.resting_tasks

        async def late() -> list[str]:
            resting = await read()
            await house.tasks.end(resting[0], "revoked", by=BY, reason="stop", now=NOW)
            return resting

        house.store.resting_tasks = late  # type: ignore[method-assign]  # for this story
        await looks(idle, 1)
        assert sorted([await state(house, one) for one in tasks]) == ["completed", "completed", "revoked"]

    asyncio.run(story())
