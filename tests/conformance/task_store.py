"""What every TaskStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.tasks.budget import Budget, Charge, Spend
from proxy.tasks.interfaces import TaskStore
from tests.fakes.tasks import NOW, task

BUDGET = Budget(calls=3, spend=(Spend("payments/refund", "amount", 100_000_000),))
PARENT = task("task_p", budget=BUDGET)
CHILD = task("task_c", PARENT)
GRANDCHILD = task("task_g", CHILD)
OTHER = task("task_o", agent="builder", deadline=NOW + 100)


class TaskStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[TaskStore]: ...

    def test_a_task_comes_back_as_it_went_in(self, tmp_path: Path) -> None:
        """Every field, its delegation and budget among them, also for whoever opens the store later."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.add_task(PARENT)
                assert await store.add_task(CHILD)
                assert await store.task("task_p") == PARENT
                assert await store.task("task_x") is None
            async with self.opened(tmp_path) as again:
                assert await again.task("task_c") == CHILD

        asyncio.run(story())

    def test_tasks_that_are_long_over_are_known(self, tmp_path: Path) -> None:
        """Ended, and with a deadline before the moment that is asked about; neither alone is enough."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_task(PARENT)
                await store.add_task(OTHER)
                await store.move_task(OTHER.moved("completed", at=NOW, by="x", reason=""), "active")
                named = ["task_p", "task_o", "task_x"]
                assert await store.over_before(named, OTHER.deadline) == frozenset()
                assert await store.over_before(named, PARENT.deadline + 1000) == {"task_o"}
                assert await store.over_before(["task_p"], PARENT.deadline + 1000) == frozenset()

        asyncio.run(story())

    def test_tasks_name_their_agents(self, tmp_path: Path) -> None:
        """Of those that were begun, whether or not they have ended."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_task(PARENT)
                await store.add_task(OTHER)
                assert await store.agents_of_tasks(["task_p", "task_o", "task_x"]) == {
                    "task_p": PARENT.agent, "task_o": "builder",
                }  # fmt: skip

        asyncio.run(story())

    def test_a_task_is_never_replaced(self, tmp_path: Path) -> None:
        """A second task of the same id is an error, and the first one stays."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_task(PARENT)
                with pytest.raises(StoreUnavailable):
                    await store.add_task(replace(PARENT, purpose="another"))
                assert await store.task("task_p") == PARENT

        asyncio.run(story())

    @pytest.mark.parametrize("state", ["suspended", "completed", "expired", "revoked", "failed"])
    def test_only_an_active_parent_has_new_children(self, tmp_path: Path, state: str) -> None:
        """A child of a parent that is not there, or not active at this moment, is not stored."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert not await store.add_task(CHILD)
                await store.add_task(PARENT)
                moved = PARENT.moved(state, at=NOW, by="x", reason="")  # type: ignore[arg-type]  # one of the states
                assert await store.move_task(moved, "active")
                assert not await store.add_task(CHILD)
                assert await store.task("task_c") is None

        asyncio.run(story())

    def test_a_task_moves_once(self, tmp_path: Path) -> None:
        """Of two who move it from the same state, one succeeds; what it is made of stays."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_task(PARENT)
                done = PARENT.moved("completed", at=NOW + 1, by="person:bob", reason="done")
                assert await store.move_task(replace(done, purpose="another"), "active")
                assert not await store.move_task(PARENT.moved("failed", at=NOW + 2, by="x", reason=""), "active")
                assert await store.task("task_p") == done

        asyncio.run(story())

    def test_lists_are_of_whom_and_what_is_asked(self, tmp_path: Path) -> None:
        """By agent, live, below another, suspended, overdue: nothing more and nothing less."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                for one in (PARENT, CHILD, GRANDCHILD, OTHER):
                    assert await store.add_task(one)
                assert {one.id for one in await store.tasks()} == {"task_p", "task_c", "task_g", "task_o"}
                assert [one.id for one in await store.tasks(agents=["builder"])] == ["task_o"]
                assert len(await store.tasks(limit=2)) == 2
                assert [one.id for one in await store.live_below("task_p")] == ["task_c", "task_g"]
                assert [one.id for one in await store.live_below("task_c")] == ["task_g"]
                assert await store.overdue_tasks(NOW + 99) == []
                assert await store.overdue_tasks(NOW + 100) == [OTHER]
                assert await store.tasks_begun(["builder", "none"], NOW - 1, NOW) == [OTHER]
                assert await store.tasks_begun(["builder"], NOW - 2, NOW - 1) == []
                assert await store.tasks_begun(["builder"], NOW, NOW + 1) == []
                assert await store.tasks_begun([], NOW - 1, NOW) == []
                await store.move_task(CHILD.moved("suspended", at=NOW, by="x", reason=""), "active")
                await store.move_task(OTHER.moved("failed", at=NOW, by="x", reason=""), "active")
                assert await store.suspended_tasks() == ["task_c"]
                await store.move_task(GRANDCHILD.moved("completed", at=NOW, by="x", reason=""), "active")
                assert [one.id for one in await store.tasks_below("task_p")] == ["task_c", "task_g"]
                assert [one.id for one in await store.tasks_below("task_p", limit=1)] == ["task_c"]
                assert await store.tasks_below("task_none") == []
                assert {one.id for one in await store.tasks(live=True)} == {"task_p", "task_c"}
                assert await store.overdue_tasks(NOW + 100) == []
                begun = await store.tasks_begun([PARENT.agent, OTHER.agent], NOW - 1, NOW)
                assert {one.id for one in begun} == {"task_p", "task_c"}

        asyncio.run(story())

    def test_a_task_rests_when_nothing_below_it_lives(self, tmp_path: Path) -> None:
        """Neither one that is suspended or over rests, nor one with a child that is anything but over."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.resting_tasks() == []
                for one in (PARENT, CHILD, GRANDCHILD, OTHER):
                    assert await store.add_task(one)
                assert await store.resting_tasks() == ["task_g", "task_o"]
                await store.move_task(OTHER.moved("failed", at=NOW, by="x", reason=""), "active")
                await store.move_task(GRANDCHILD.moved("suspended", at=NOW, by="x", reason=""), "active")
                assert await store.resting_tasks() == []
                await store.move_task(GRANDCHILD.moved("expired", at=NOW, by="x", reason=""), "suspended")
                assert await store.resting_tasks() == ["task_c"]

        asyncio.run(story())

    def test_it_knows_what_live_tasks_were_begun_with(self, tmp_path: Path) -> None:
        """Each credential once, and none of a task that has ended."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.live_via() == frozenset()
                for one, via in ((PARENT, ("token:a|1",)), (CHILD, ("token:a|1", "handle:h")), (OTHER, ("token:b|2",))):
                    assert await store.add_task(replace(one, via=via))
                assert await store.live_via() == {"token:a|1", "handle:h", "token:b|2"}
                await store.move_task(OTHER.moved("failed", at=NOW, by="x", reason=""), "active")
                assert await store.live_via() == {"token:a|1", "handle:h"}

        asyncio.run(story())

    def test_a_charge_counts_wholly_or_not_at_all(self, tmp_path: Path) -> None:
        """When one part has no room, nothing is counted and that part is named; what is given back is free again."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_task(PARENT)
                call = Charge("task_p", "calls", 1)
                amount = Charge("task_p", "payments/refund:amount", 60_000_000)
                assert await store.charge([call, amount]) is None
                assert await store.charge([call, amount]) == amount
                assert await store.spent("task_p") == {"calls": 1, "payments/refund:amount": 60_000_000}
                await store.discharge([call, amount])
                assert await store.spent("task_p") == {"calls": 0, "payments/refund:amount": 0}
                await store.discharge([call])  # once too often gives nothing away
                assert (await store.spent("task_p"))["calls"] == 0

        asyncio.run(story())

    def test_what_is_not_counted_is_refused(self, tmp_path: Path) -> None:
        """A charge for a task or a name that has no limit stored does not pass."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_task(PARENT)
                for unknown in (Charge("task_p", "other", 1), Charge("task_x", "calls", 1)):
                    assert await store.charge([unknown]) == unknown

        asyncio.run(story())

    def test_many_at_once_never_spend_more_than_there_is(self, tmp_path: Path) -> None:
        """Of fifty who ask at the same time, from two openings, exactly as many pass as the budget has calls."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                await store.add_task(PARENT)
                answers = await asyncio.gather(
                    *((store, other)[n % 2].charge([Charge("task_p", "calls", 1)]) for n in range(50))
                )
                assert answers.count(None) == 3
                assert (await store.spent("task_p"))["calls"] == 3

        asyncio.run(story())
