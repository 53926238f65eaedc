"""Tasks as pages, and the levers that pause and end one."""

import asyncio

import pytest

from proxy.console.task_pages import children, uses
from proxy.stages import Principal
from proxy.tasks.budget import UNIT, Budget, Spend
from proxy.tasks.delegation import Proof
from tests.fakes.console_house import ConsoleHouse
from tests.fakes.tasks import task as a_task


def test_tasks_are_listed_and_filtered(house: ConsoleHouse) -> None:
    """One's own agents' tasks alone: those that live, all, those that end soon, those with nothing left."""

    async def scenario() -> None:
        long = await house.begin(purpose="the long one", deadline=house.now + 7200)
        await house.begin(purpose="nothing left", deadline=house.now + 7200, budget=Budget(calls=0))
        await house.begin(purpose="nearly over", deadline=house.now + 60)
        done = await house.begin(purpose="done with")
        await house.begin(purpose="of another", agent="builder", by="person:bob")
        await house.tasks.end(done.id, "completed", by="person:alice", reason="done", now=house.now)
        async with await house.visitor("alice") as client:
            pages = {
                which: (await client.get(f"/tasks?which={which}&agent=support-bot")).text
                for which in ("live", "all", "due", "spent", "<script>")
            }
            assert "of another" not in (await client.get("/tasks?which=all")).text
            assert "No task matches" in (await client.get("/tasks?agent=builder")).text
        names = ("the long one", "nothing left", "nearly over", "done with")
        assert {which: [name for name in names if name in text] for which, text in pages.items()} == {
            "live": ["the long one", "nothing left", "nearly over"],
            "all": list(names),
            "due": ["nearly over"],
            "spent": ["nothing left"],
            "<script>": ["the long one", "nothing left", "nearly over"],
        }
        assert f"/tasks/{long.id}" in pages["live"]
        assert "0 of 0 calls: used up" in pages["spent"]

    asyncio.run(scenario())


def test_a_task_is_told_whole(house: ConsoleHouse) -> None:
    """Who is behind it and how each hop was proven, what it may do, what it used, what is below it, its handles."""

    async def scenario() -> None:
        task = await house.begin(
            proof=Proof("token", "verified", "sha256:aa"),
            tools=("payments/*",),
            budget=Budget(calls=10, spend=(Spend("payments/refund", "amount", 500 * UNIT),)),
        )
        child = await house.begin(
            parent=task.id, agent="builder", purpose="build it", proof=Proof("jwt_svid", "endorsed", "sha256:bb")
        )
        own = await house.begin(parent=task.id, purpose="a part of it", deadline=house.now + 60)
        _, row = await house.handles.issue(
            agent="support-bot", purpose="x", ttl=60, issued_by="t", now=house.now, task=task.id
        )
        async with await house.visitor("alice") as client:
            text = (await client.get(f"/tasks/{task.id}")).text
        async with await house.visitor("carol") as client:
            auditor = (await client.get(f"/tasks/{task.id}")).text
            below = (await client.get(f"/tasks/{child.id}")).text
        parts = ["refund the orders", "Frank Fir", "verified", "personal token", "Answers for it", "0 of 500", row.id]
        places = [text.index(part) for part in parts]
        assert places == sorted(places)
        assert own.purpose in text
        assert child.purpose not in text
        assert "1 more, of agents that you do not answer for" in text
        assert child.purpose in auditor
        assert "End it" not in auditor
        assert below.index("Frank Fir") < below.index("<b>support-bot</b>") < below.index("<b>builder</b>")
        assert "JWT-SVID" in below
        assert "somebody whom we trust for it says so" in below

    asyncio.run(scenario())


def test_what_somebody_wrote_into_a_task_stays_text(house: ConsoleHouse) -> None:
    """Purpose and ticket come from outside: no markup, no hidden characters."""

    async def scenario() -> None:
        task = await house.begin(purpose="<script>x</script>\u202e", ticket="<b>t</b>")
        async with await house.visitor("alice") as client:
            for path in ("/tasks", f"/tasks/{task.id}"):
                text = (await client.get(path)).text
                assert "<script>x" not in text
                assert "<b>t</b>" not in text
                assert "\u202e" not in text

    asyncio.run(scenario())


def test_a_task_is_suspended_resumed_and_ended(house: ConsoleHouse) -> None:
    """Each with a reason, in one's own name, and shown with both."""

    async def scenario() -> None:
        task = await house.begin()
        path = f"/tasks/{task.id}"
        async with await house.visitor("alice") as client:
            fields = await house.form(client, path)
            empty = await client.post(f"{path}/suspend", data=fields | {"reason": " "})
            assert empty.status_code == 422
            assert "Nothing was done." in empty.text
            assert (await client.post(f"{path}/suspend", data=fields | {"reason": "<i>look</i>"})).status_code == 303
            page = (await client.get(path)).text
            assert "&lt;i&gt;look&lt;/i&gt;" in page
            assert "Alice Almond" in page
            fields = await house.form(client, path)
            assert (await client.post(f"{path}/resume", data=fields | {"reason": "fine"})).status_code == 303
            assert (await client.post(f"{path}/end", data=fields | {"reason": "enough"})).status_code == 303
            page = (await client.get(path)).text
            assert "Ended by a person" in page
            assert "data-guard" not in page
        found = await house.tasks.find(task.id)
        assert found is not None
        assert (found.state, found.changed_by, found.reason) == ("revoked", "person:alice", "enough")
        assert [row.scope for row in house.revocations.in_force()] == [f"task:{task.id}"]

    asyncio.run(scenario())


@pytest.mark.parametrize("act", ["suspend", "resume", "end"])
def test_nobody_touches_anothers_task(house: ConsoleHouse, act: str) -> None:
    """A form made by hand: not for a stranger, not for an auditor, not for a task that there is not."""

    async def scenario() -> None:
        task = await house.begin()
        before = len(house.log.records)
        for person, task_id, status in (("bob", task.id, 404), ("carol", task.id, 403), ("alice", "task_none", 404)):
            async with await house.visitor(person) as client:
                fields = await house.form(client, "/kill-switch") | {"reason": "x", "seen": f"active@{house.now}"}
                answer = await client.post(f"/tasks/{task_id}/{act}", data=fields)
                assert (answer.status_code, "x</textarea>" in answer.text) == (status, False)
        assert len(house.log.records) == before
        found = await house.tasks.find(task.id)
        assert found is not None
        assert found.state == "active"

    asyncio.run(scenario())


@pytest.mark.parametrize("act", ["suspend", "end"])
def test_the_same_form_sent_twice_is_done_once(house: ConsoleHouse, act: str) -> None:
    """A double click is no mistake: the second finds it done, by the same person, and says nothing else."""

    async def scenario() -> None:
        task = await house.begin()
        async with await house.visitor("alice") as client:
            fields = await house.form(client, f"/tasks/{task.id}") | {"reason": "x"}
            for _ in range(2):
                assert (await client.post(f"/tasks/{task.id}/{act}", data=fields)).status_code == 303
        assert house.log.types().count("task.changed") == 1

    asyncio.run(scenario())


def test_a_task_that_has_changed_is_looked_at_again(house: ConsoleHouse) -> None:
    """What another ended is not ended again; who resumes has seen who suspended it last, and the operator's stays."""

    async def scenario() -> None:
        task = await house.begin()
        path = f"/tasks/{task.id}"
        async with await house.visitor("alice") as client:
            await house.tasks.suspend(task.id, by="person:alice", reason="lunch", now=house.now)
            fields = await house.form(client, path) | {"reason": "back"}
            again = await client.post(f"{path}/suspend", data=fields)
            assert again.status_code == 303  # it is suspended, by her
            await house.tasks.resume(task.id, by="person:eve", reason="x", now=house.now + 1)
            await house.tasks.suspend(task.id, by="person:eve", reason="odd calls", now=house.now + 2)
            stale = await client.post(f"{path}/resume", data=fields)
            assert (stale.status_code, "has changed since you looked" in stale.text) == (409, True)
            assert "odd calls" in stale.text
            await house.tasks.resume(task.id, by="person:eve", reason="x", now=house.now + 3)
            await house.tasks.suspend(task.id, by="operator:uid=0", reason="incident", now=house.now + 4)
            fields = await house.form(client, path) | {"reason": "back"}
            kept = await client.post(f"{path}/resume", data=fields)
            assert (kept.status_code, "only the operator resumes it" in kept.text) == (409, True)
            assert "Resume it" not in kept.text
            await house.tasks.end(task.id, "failed", by="person:eve", reason="gone", now=house.now + 5)
            late = await client.post(f"{path}/end", data=fields)
            assert late.status_code == 409
            assert "Nothing was done." in late.text
        found = await house.tasks.find(task.id)
        assert found is not None
        assert (found.state, found.changed_by) == ("failed", "person:eve")

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_done(house: ConsoleHouse) -> None:
    """With a broken log a task is neither suspended nor resumed, and the page says so."""

    async def scenario() -> None:
        task = await house.begin()
        async with await house.visitor("alice") as client:
            fields = await house.form(client, f"/tasks/{task.id}") | {"reason": "x"}
            house.log.broken = True
            answer = await client.post(f"/tasks/{task.id}/suspend", data=fields)
            assert (answer.status_code, "cannot be written down" in answer.text) == (503, True)
        found = await house.store.task(task.id)
        assert found is not None
        assert found.state == "active"

    asyncio.run(scenario())


def test_the_tree_below_keeps_its_shape() -> None:
    """A task hangs on its own parent, or, if that is not shown, on the nearest above that is."""
    top = a_task("task_t", principal=Principal("human", "alice"))
    child = a_task("task_c", top, principal=None)
    deep = a_task("task_d", child, principal=None)
    (branch,) = children("task_t", [child, deep])
    assert (branch.task.id, [one.task.id for one in branch.below]) == ("task_c", ["task_d"])
    assert [one.task.id for one in children("task_t", [deep])] == ["task_d"]


def test_use_is_counted_in_the_units_that_people_write() -> None:
    """Calls first, then amounts; a part is used up when nothing is left of it."""
    budget = Budget(calls=3, spend=(Spend("payments/refund", "amount", 12_500_000),))
    calls, amount = uses(a_task(budget=budget), {"calls": 3, "payments/refund:amount": 2 * UNIT})
    assert (calls.what, calls.used, calls.limit, calls.spent) == ("calls", 3, 3, True)
    assert (amount.what, amount.used, amount.limit, amount.spent) == ("payments/refund amount", 2.0, 12.5, False)
    assert uses(a_task(), {}) == []
