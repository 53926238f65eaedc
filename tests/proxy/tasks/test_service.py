"""Tasks as they live."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from policies.model import Json
from proxy.errors import StoreUnavailable
from proxy.tasks.interfaces import Revocation
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import End, Task, TaskState, begin
from telemetry.errors import AuditUnavailable
from tests.fakes.tasks import ALICE, NOW, new_task
from tests.proxy.tasks.house import TaskHouse

BY = "operator:uid=0"
CHILD = {"tools": ("crm/find",), "datasets": (), "deadline": NOW + 300}


def test_a_task_begins_on_record(house: TaskHouse) -> None:
    """It is active, stored, and what it declared stands in the log."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        assert (task.state, task.created_by) == ("active", BY)
        assert await house.tasks.find(task.id) == task == await house.store.task(task.id)
        [record] = house.records
        assert (record["type"], record["task"]) == ("task.created", task.id)
        assert record["change"]["what"] == f"task:{task.id}"
        assert "tools=crm/* payments/refund" in record["change"]["details"]
        assert "chain=human:alice agent:support-bot" in record["change"]["details"]

    asyncio.run(story())


def test_what_cannot_be_written_down_does_not_begin(house: TaskHouse) -> None:
    """With a broken log nothing is active, and nothing that was active changes."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        house.broken = True
        with pytest.raises(AuditUnavailable):
            await house.tasks.create(new_task(), by=BY, now=NOW)
        assert [one.state for one in await house.tasks.list()] == ["created", "active"]
        with pytest.raises(AuditUnavailable):
            await house.tasks.suspend(task.id, by=BY, reason="x", now=NOW)
        assert (await house.store.task(task.id)).state == "active"  # type: ignore[union-attr]  # it is there

    asyncio.run(story())


@pytest.mark.parametrize("state", ["completed", "failed", "revoked"])
def test_an_end_ends_everything_below(house: TaskHouse, state: End) -> None:
    """Children and their children end with it; its scope is revoked, and that is in all of theirs."""

    async def story() -> None:
        parent = await house.tasks.create(new_task(), by=BY, now=NOW)
        child = await house.tasks.create(new_task(**CHILD), parent=parent.id, by=BY, now=NOW)
        leaf = await house.tasks.create(new_task(**CHILD), parent=child.id, by=BY, now=NOW)
        bystander = await house.tasks.create(new_task(), by=BY, now=NOW)
        await house.tasks.end(parent.id, state, by="person:alice", reason="done", now=NOW + 1)
        for one in (parent, child, leaf):
            assert (await house.tasks.find(one.id)).state == state  # type: ignore[union-attr]  # it is there
            assert house.feed.epochs.dead(one.scopes, NOW)
        assert (await house.tasks.find(bystander.id)) == bystander
        assert not house.feed.epochs.dead(bystander.scopes, NOW)
        assert house.told()[-3:] == [("task.changed", state)] * 3
        with pytest.raises(TaskMistake):
            await house.tasks.create(new_task(**CHILD), parent=child.id, by=BY, now=NOW + 1)

    asyncio.run(story())


@pytest.mark.parametrize(("stood", "stands"), [("created", "active"), ("active", "suspended"), ("suspended", "active")])
def test_what_changes_below_while_the_end_is_written_ends_too(
    house: TaskHouse, stood: TaskState, stands: TaskState
) -> None:
    """A child that begins, is suspended or resumed at that very moment is not left live under a task that is over."""

    async def story() -> None:
        parent = await house.tasks.create(new_task(), by=BY, now=NOW)
        child = replace(begin(new_task(**CHILD), "task_c", parent, by=BY, now=NOW), state=stood)
        assert await house.store.add_task(child)
        append, moved = house.append, list[bool]()

        async def meanwhile(record: Mapping[str, Json]) -> int:
            if record["task"] == child.id and not moved:
                moved.append(await house.store.move_task(replace(child, state=stands), stood))
            return await append(record)

        house.tasks._record = meanwhile
        await house.tasks.end(parent.id, "completed", by=BY, reason="done", now=NOW + 1)
        assert moved == [True]
        assert (await house.tasks.find(child.id)).state == "completed"  # type: ignore[union-attr]  # it is there

    asyncio.run(story())


def test_what_is_below_ends_though_whoever_ended_the_task_did_not_come_to_it(house: TaskHouse) -> None:
    """The process died between the two: the next one that hears of the end finishes it, and tells it once."""

    async def story() -> None:
        parent = await house.tasks.create(new_task(), by=BY, now=NOW)
        child = await house.tasks.create(new_task(**CHILD), parent=parent.id, by=BY, now=NOW)
        assert await house.store.move_task(replace(parent, state="completed"), "active")
        for _ in range(2):
            await house.tasks.ended_by(Revocation(f"task:{parent.id}", NOW + 1, BY, "done"))
        assert (await house.store.task(child.id)).state == "revoked"  # type: ignore[union-attr]  # it is there
        assert house.told()[2:] == [("task.changed", "revoked")]

    asyncio.run(story())


def test_a_task_ends_once(house: TaskHouse) -> None:
    """Ending it again, resuming what is over, and ending what nobody began are mistakes that cut nothing."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        await house.tasks.end(task.id, "completed", by=BY, reason="done", now=NOW + 1)
        for act in (
            house.tasks.end(task.id, "failed", by=BY, reason="x", now=NOW + 2),
            house.tasks.resume(task.id, by=BY, reason="x", now=NOW + 2),
            house.tasks.end("task_x", "failed", by=BY, reason="x", now=NOW + 2),
            house.tasks.suspend("task_x", by=BY, reason="x", now=NOW + 2),
        ):
            with pytest.raises(TaskMistake):
                await act
        assert [row.scope for row in house.revocations.in_force()] == [f"task:{task.id}"]

    asyncio.run(story())


def test_a_suspended_task_goes_on_when_it_is_resumed(house: TaskHouse) -> None:
    """Meanwhile its scopes, and those of its children, count as suspended."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        child = await house.tasks.create(new_task(**CHILD), parent=task.id, by=BY, now=NOW)
        await house.tasks.suspend(task.id, by=BY, reason="odd", now=NOW + 1)
        assert house.tasks.suspended(task.scopes)
        assert house.tasks.suspended(child.scopes)
        await house.tasks.resume(task.id, by=BY, reason="fine", now=NOW + 2)
        assert not house.tasks.suspended(child.scopes)
        assert (await house.tasks.find(task.id)).state == "active"  # type: ignore[union-attr]  # it is there

    asyncio.run(story())


def test_another_process_hears_of_it(house: TaskHouse, tmp_path: Path) -> None:
    """What one suspends or ends, another knows after its next look at the store."""

    async def story() -> None:
        other = TaskHouse(tmp_path)
        try:
            task = await house.tasks.create(new_task(), by=BY, now=NOW)
            await other.feed.poll(NOW)
            assert await other.tasks.find(task.id) == task
            await house.tasks.suspend(task.id, by=BY, reason="x", now=NOW + 1)
            await other.feed.poll(NOW + 1)
            await other.tasks.hear()
            assert other.tasks.suspended(task.scopes)
            assert (await other.tasks.find(task.id)).state == "suspended"  # type: ignore[union-attr]  # it is there
        finally:
            other.close()

    asyncio.run(story())


def test_a_deadline_that_has_come_ends_the_task(house: TaskHouse) -> None:
    """The sweep writes it down; nothing needs to be revoked, for nothing under it lives longer."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        await house.tasks.sweep(NOW + 599)
        assert (await house.tasks.find(task.id)) == task
        await house.tasks.sweep(NOW + 600)
        assert house.told()[-1] == ("task.changed", "expired")
        await house.tasks.sweep(NOW + 601)
        assert len(house.records) == 2

    asyncio.run(story())


def test_what_a_privileged_agent_does_is_over_sooner_with_all_below_it(house: TaskHouse) -> None:
    """By the class that the agent has now: what is told of the task, what may begin under it, and the sweep."""

    async def story() -> None:
        parent = await house.tasks.create(new_task(), by=BY, now=NOW)
        child = await house.tasks.create(new_task(**CHILD, agent="helper"), parent=parent.id, by=BY, now=NOW + 1)
        bystander = await house.tasks.create(new_task(agent="helper"), by=BY, now=NOW)
        await house.tasks.sweep(NOW + 61)
        assert [one.deadline for one in await house.tasks.family(child.id)] == [NOW + 300, NOW + 600]
        house.reclassify("support-bot")
        assert [one.deadline for one in await house.tasks.family(child.id)] == [NOW + 60, NOW + 60]
        basis = await house.tasks.basis(child.id)
        assert basis is not None
        assert (basis.not_after, basis.above) == (NOW + 60, (("support-bot", NOW),))
        assert {one.deadline for one in await house.tasks.list(agents=("support-bot",))} == {NOW + 60}
        assert await house.tasks.find(bystander.id) == bystander
        with pytest.raises(TaskMistake):  # longer than what is left
            await house.tasks.create(new_task(**CHILD), parent=child.id, by=BY, now=NOW + 30)
        with pytest.raises(TaskMistake):
            await house.tasks.create(new_task(**CHILD | {"deadline": NOW + 62}), parent=parent.id, by=BY, now=NOW + 61)
        await house.tasks.sweep(NOW + 59)
        assert not house.feed.epochs.rows
        await house.tasks.sweep(NOW + 60)
        for one in (parent, child):
            found = await house.store.task(one.id)
            assert (found is not None and found.state, found is not None and found.deadline) == (
                "expired",
                one.deadline,
            )
            assert house.feed.epochs.dead(one.scopes, NOW + 60) is not None
        assert house.feed.epochs.dead(bystander.scopes, NOW) is None
        told = len(house.records)
        await house.tasks.sweep(NOW + 61)
        assert len(house.records) == told

    asyncio.run(story())


def test_a_task_that_ends_while_it_is_swept_keeps_nobody_else_alive(
    house: TaskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that somebody completed at that moment is left as it is; the next one is expired."""

    async def story() -> None:
        first, _ = [await house.tasks.create(new_task(), by=BY, now=NOW + n) for n in range(2)]
        begun = await house.store.tasks_begun(["support-bot"], NOW - 1, NOW + 1)
        await house.tasks.end(first.id, "completed", by=BY, reason="done", now=NOW + 5)
        house.reclassify("support-bot")

        async def as_before(*_: object) -> list[Task]:
            return begun

        monkeypatch.setattr(house.store, "tasks_begun", as_before)
        await house.tasks.sweep(NOW + 61)
        assert [one.state for one in await house.tasks.list()] == ["expired", "completed"]

    asyncio.run(story())


def test_ending_its_scope_ends_the_task_for_good(house: TaskHouse) -> None:
    """By the kill switch; a freeze does not; lifting the scope again does not bring the task back."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        frozen = await house.revocations.revoke(f"task:{task.id}", BY, "look", NOW, kind="freeze")
        await house.tasks.ended_by(frozen)
        assert (await house.tasks.find(task.id)).state == "active"  # type: ignore[union-attr]  # it is there
        revoked = await house.revocations.revoke(f"task:{task.id}", BY, "stop", NOW + 1)
        for other in (
            revoked,
            revoked,
            Revocation("agent:support-bot", NOW, BY, ""),
            Revocation("task:x", NOW, BY, ""),
        ):
            await house.tasks.ended_by(other)
        await house.revocations.lift(f"task:{task.id}")
        assert (await house.tasks.find(task.id)).state == "revoked"  # type: ignore[union-attr]  # it is there
        assert house.told()[-1] == ("task.changed", "revoked")

    asyncio.run(story())


def test_an_end_is_not_overtaken_by_the_news_of_itself(house: TaskHouse) -> None:
    """Who hears of the revocation while the task is being completed waits: it is completed, not revoked, and once."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        heard: list[asyncio.Task[None]] = []
        revoke = house.tasks._revoke_scope

        async def told_at_once(scope: str, by: str, reason: str, now: float) -> object:
            revoked = await revoke(scope, by, reason, now)
            heard.append(asyncio.create_task(house.tasks.ended_by(Revocation(scope, now, by, reason))))
            await asyncio.sleep(0)
            return revoked

        house.tasks._revoke_scope = told_at_once
        ended = await house.tasks.end(task.id, "completed", by=BY, reason="done", now=NOW + 1)
        await asyncio.gather(*heard)
        assert ended.state == "completed"
        assert (await house.tasks.find(task.id)).state == "completed"  # type: ignore[union-attr]  # it is there
        assert [state for _, state in house.told()] == ["created", "completed"]
        other = await house.tasks.create(new_task(), by=BY, now=NOW)
        house.broken = True
        with pytest.raises(AuditUnavailable):
            await house.tasks.end(other.id, "completed", by=BY, reason="done", now=NOW + 1)
        house.broken = False
        await heard[1]  # who waited finishes what failed half-way
        assert (await house.tasks.find(other.id)).state == "revoked"  # type: ignore[union-attr]  # it is there

    asyncio.run(story())


def test_the_basis_says_for_whom_and_until_when(house: TaskHouse) -> None:
    """Whose task it is, its chain, since when, and what ends it; a made-up task proves nothing."""

    async def story() -> None:
        task = await house.tasks.create(new_task(), by=BY, now=NOW)
        basis = await house.tasks.basis(task.id)
        assert basis is not None
        assert (basis.agent, basis.chain.root, basis.since, basis.not_after) == ("support-bot", ALICE, NOW, NOW + 600)
        assert basis.scopes == task.scopes
        assert await house.tasks.basis("nightly") is None
        assert await house.tasks.family("nightly") == ()

    asyncio.run(story())


def test_a_store_that_is_down_is_never_no_task(house: TaskHouse) -> None:
    """What cannot be looked up has no answer, rather than the answer that nothing bounds it."""

    async def story() -> None:
        house.close()
        with pytest.raises(StoreUnavailable):
            await house.tasks.find("task_1")

    asyncio.run(story())


def test_the_tasks_of_ten_thousand_handles_are_remembered(house: TaskHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for one after another, again and again, each is read from the store once, also one that never began."""

    async def story() -> None:
        reads: list[str] = []

        async def counted(task_id: str) -> None:
            reads.append(task_id)

        monkeypatch.setattr(house.store, "task", counted)
        for _ in range(2):
            for number in range(10_000):
                assert await house.tasks.find(f"task_{number}") is None
        assert len(reads) == 10_000

    asyncio.run(story())
