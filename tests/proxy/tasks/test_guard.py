"""What a task permits of one call."""

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from policies.model import DatasetUse, Json
from proxy.errors import Refused
from proxy.facts import Agent, Person, Service, Tool
from proxy.stages import Arrived, Attributed, Call, Chain, Described, Identity, Principal, Proven, Request
from proxy.tasks.budget import UNIT, Budget, Spend
from proxy.tasks.task import Task
from telemetry.ids import new_id
from tests.fakes.tasks import NOW, new_task
from tests.proxy.tasks.house import TaskHouse

FAR = date(2099, 1, 1)
SERVICES = {
    name: Service(id=name, owner="bob", url=f"https://{name}.example", tools=(Tool(name="refund"), Tool(name="find")))
    for name in ("payments", "crm", "other")
}
REFUNDS = Budget(spend=(Spend("payments/refund", "amount", 100 * UNIT),))


def call(
    task: str,
    tool: str | None = "payments/refund",
    arguments: Mapping[str, Json] | None = None,
    datasets: tuple[DatasetUse, ...] = (),
    *,
    agent: str = "support-bot",
    lifecycle: bool = False,
) -> Described:
    """A call of this tool under this task; without `name` after the service, one that maps to no tool."""
    service, _, name = (tool or "").partition("/")
    known = SERVICES[service]
    made = Call(
        "rest", known, next((one for one in known.tools if one.name == name), None), tool or "", arguments or {},
        datasets, "sha256:aa", b"", lifecycle=lifecycle,
    )  # fmt: skip
    facts = Agent(id=agent, owner="bob", purpose="x", expires=FAR, review_due=FAR)
    proven = Proven(agent, "opaque_handle", "hnd_1", NOW, NOW + 600, task)
    identity = Identity(facts, Person(id="bob", name="Bob"), Chain(Principal("agent", agent)), proven, ("global",))
    request = Request("POST", "https", f"{service}.example", 443, "/", "", (), b"")
    return Described(Attributed(Arrived(new_id("call"), NOW, "conn", "connect", "127.0.0.1", request), identity), made)


async def begun(house: TaskHouse, parent: Task | None = None, **changes: object) -> Task:
    """An active task."""
    part = {"tools": ("payments/refund",), "datasets": (), "deadline": NOW + 300} if parent else {}
    asked = new_task(**(part | changes))
    return await house.tasks.create(asked, parent=parent.id if parent else None, by="x", now=NOW)


async def refusal(house: TaskHouse, described: Described, now: float = NOW) -> str:
    """The reason that this call is refused for, or nothing."""
    try:
        await house.guard.bound(described, now)
        await house.guard.count(described)
    except Refused as refused:
        return refused.refusal.reason
    return ""


def test_a_task_that_nobody_began_bounds_nothing(house: TaskHouse) -> None:
    """A name that was made up for a handle is a label, as it always was."""

    async def story() -> None:
        assert await refusal(house, call("nightly", "other/find", {}, (DatasetUse("secrets", "read"),))) == ""

    asyncio.run(story())


@pytest.mark.parametrize(
    ("tool", "datasets", "reason"),
    [
        ("payments/refund", (), ""),
        ("payments/refund", (DatasetUse("ledger", "write"),), ""),
        ("crm/find", (DatasetUse("customers", "read"),), ""),
        ("crm/", (), ""),
        ("payments/find", (), "task_tool_undeclared"),
        ("payments/", (), "task_tool_undeclared"),
        ("other/find", (), "task_tool_undeclared"),
        ("crm/find", (DatasetUse("customers", "write"),), "task_dataset_undeclared"),
        ("crm/find", (DatasetUse("customers", "read"), DatasetUse("hr", "read")), "task_dataset_undeclared"),
    ],
)
def test_a_task_bounds_its_calls(house: TaskHouse, tool: str, datasets: tuple[DatasetUse, ...], reason: str) -> None:
    """What it declared passes, and nothing else does: no other tool, no other service, no other access."""

    async def story() -> None:
        task = await begun(house)
        assert await refusal(house, call(task.id, tool, {}, datasets)) == reason

    asyncio.run(story())


@pytest.mark.parametrize("privileged", ["support-bot", "boss"])
def test_a_task_outlives_the_class_of_no_agent(house: TaskHouse, privileged: str) -> None:
    """It began as a utility's, for ten minutes; its agent, or that of the task above, is privileged now: one minute."""

    async def story() -> None:
        above = await begun(house, agent="boss")
        task = await begun(house, above)
        assert await refusal(house, call(task.id), NOW + 61) == ""
        house.reclassify(privileged)
        assert await refusal(house, call(task.id), NOW + 59) == ""
        assert await refusal(house, call(task.id), NOW + 60) == "task_ended"

    asyncio.run(story())


def test_housekeeping_passes_only_towards_declared_services(house: TaskHouse) -> None:
    """It costs nothing of the budget either."""

    async def story() -> None:
        task = await begun(house, budget=Budget(calls=0))
        assert await refusal(house, call(task.id, "payments/", lifecycle=True)) == ""
        assert await refusal(house, call(task.id, "other/", lifecycle=True)) == "task_tool_undeclared"

    asyncio.run(story())


def test_another_agent_cannot_use_the_task(house: TaskHouse) -> None:
    """Even if a credential says so."""

    async def story() -> None:
        task = await begun(house)
        assert await refusal(house, call(task.id, agent="builder")) == "task_of_another"

    asyncio.run(story())


def test_a_task_that_does_not_run_permits_nothing(house: TaskHouse) -> None:
    """Suspended, past its deadline, or over; and the same for what is below it."""

    async def story() -> None:
        parent = await begun(house)
        child = await begun(house, parent)
        assert await refusal(house, call(child.id)) == ""
        assert await refusal(house, call(child.id), NOW + 300) == "task_ended"
        await house.tasks.suspend(parent.id, by="x", reason="x", now=NOW)
        for task in (parent, child):
            assert await refusal(house, call(task.id)) == "task_suspended"
            with pytest.raises(Refused):
                house.guard.require_running(task.scopes)
        await house.tasks.resume(parent.id, by="x", reason="x", now=NOW)
        house.guard.require_running(child.scopes)
        assert await refusal(house, call(child.id)) == ""
        await house.tasks.end(parent.id, "completed", by="x", reason="x", now=NOW)
        for task in (parent, child):
            assert await refusal(house, call(task.id)) == "task_ended"

    asyncio.run(story())


def test_calls_are_counted_up_to_the_budget(house: TaskHouse) -> None:
    """The call after the last is refused; one of which nothing went upstream is given back, once."""

    async def story() -> None:
        task = await begun(house, budget=Budget(calls=2))
        first, second, third = (call(task.id) for _ in range(3))
        assert [await refusal(house, one) for one in (first, second, third)] == ["", "", "task_budget_spent"]
        call_id = second.attributed.arrived.call_id
        for _ in range(2):
            house.guard.settle(call_id, sent=False)
        await house.guard.drain()
        assert await house.tasks.spent(task.id) == {"calls": 1}
        assert await refusal(house, third) == ""
        house.guard.settle(third.attributed.arrived.call_id, sent=True)
        assert await refusal(house, call(task.id)) == "task_budget_spent"

    asyncio.run(story())


def test_draining_what_has_ended_this_very_moment(house: TaskHouse) -> None:
    """Work that has ended, and whose end nobody was told of yet, does not keep the loop from ever turning again."""

    async def nothing() -> None:
        return

    async def story() -> None:
        begun = house.guard._background
        ended = asyncio.get_running_loop().create_task(nothing())
        begun.add(ended)
        ended.add_done_callback(begun.discard)
        await asyncio.sleep(0)
        assert ended.done()
        assert ended in begun
        await house.guard.drain()
        assert not begun

    asyncio.run(story())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"amount": 100}, ""),
        ({"amount": 100.000001}, "task_budget_spent"),
        ({"amount": -5}, "task_amount_unreadable"),
        ({"amount": None}, "task_amount_unreadable"),
        ({"amount": [1]}, "task_amount_unreadable"),
        ({"Amount": 1}, "task_amount_unreadable"),
        ({}, "task_amount_unreadable"),
    ],
)
def test_amounts_are_counted_too(house: TaskHouse, arguments: dict[str, Json], reason: str) -> None:
    """To the millionth; a call that names none, or one that would win room back, does not pass."""

    async def story() -> None:
        task = await begun(house, budget=REFUNDS)
        assert await refusal(house, call(task.id, arguments=arguments)) == reason

    asyncio.run(story())


def test_children_spend_their_parents_budget(house: TaskHouse) -> None:
    """Two children together never spend more than the parent has, whatever they have themselves."""

    async def story() -> None:
        parent = await begun(house, budget=REFUNDS)
        one, two = [await begun(house, parent, budget=REFUNDS) for _ in range(2)]
        assert await refusal(house, call(one.id, arguments={"amount": 60})) == ""
        assert await refusal(house, call(two.id, arguments={"amount": 60})) == "task_budget_spent"
        assert await house.tasks.spent(two.id) == {"payments/refund:amount": 0}
        assert await refusal(house, call(two.id, arguments={"amount": 40})) == ""

    asyncio.run(story())


def test_many_calls_at_once_never_spend_more(house: TaskHouse, tmp_path: Path) -> None:
    """From two processes on one store, exactly as many pass as there are."""

    async def story() -> None:
        other = TaskHouse(tmp_path)
        try:
            task = await begun(house, budget=Budget(calls=7))
            answers = await asyncio.gather(*(refusal((house, other)[n % 2], call(task.id)) for n in range(40)))
            assert answers.count("") == 7
            assert set(answers) == {"", "task_budget_spent"}
        finally:
            other.close()

    asyncio.run(story())


def test_a_process_that_dies_has_counted_too_much_never_too_little(house: TaskHouse, tmp_path: Path) -> None:
    """What was reserved and not settled stays counted for whoever comes next."""

    async def story() -> None:
        task = await begun(house, budget=Budget(calls=1))
        assert await refusal(house, call(task.id)) == ""
        house.close()
        again = TaskHouse(tmp_path)
        try:
            assert await refusal(again, call(task.id)) == "task_budget_spent"
        finally:
            again.close()

    asyncio.run(story())
