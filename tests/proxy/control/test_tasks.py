"""Tasks over the API: who may begin, see, suspend and end them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.fakes.control_house import House

ASKED = {"agent": "support-bot", "purpose": "refunds of today", "tools": ["payments/refund"], "ticket": "OPS-7"}

type Client = Callable[[House], Awaitable[httpx.AsyncClient]]
MISSPELT = {"tool": "payments/refnd", "argument": "amount", "limit": 5}


async def operator(house: House) -> httpx.AsyncClient:
    return house.operator()


def person(name: str) -> Client:
    async def client(house: House) -> httpx.AsyncClient:
        return await house.person(name)

    return client


async def begun(house: House, who: Client = operator, **more: Any) -> dict[str, Any]:
    """A task as the API shows it."""
    async with await who(house) as client:
        answer = await client.post("/v1/tasks", json=ASKED | more)
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def code(house: House, who: Client, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """Status and code of a refusal."""
    async with await who(house) as client:
        answer = await client.post(path, json=body)
    return answer.status_code, answer.json().get("code", "")


def test_a_task_is_begun_and_shown(house: House) -> None:
    """By the operator for a person: that hop is endorsed; it is on record before it is active."""

    async def scenario() -> None:
        task = await begun(house, on_behalf_of="frank", budget={"calls": 5}, ttl_seconds=600)
        assert (task["state"], task["deadline"], task["created_by"]) == ("active", house.now + 600, "operator:uid=0")
        assert task["root"] == {"kind": "human", "id": "frank"}
        assert [(hop["id"], hop["level"]) for hop in task["chain"]] == [("support-bot", "endorsed")]
        assert (task["budget"]["calls"], task["budget"]["calls_used"]) == (5, 0)
        async with await house.person("alice") as client:
            shown = (await client.get(f"/v1/tasks/{task['id']}")).json()
            assert shown == task | {"owner": "alice", "below": [], "below_hidden": 0, "handles": []}
            assert (await client.get("/v1/tasks?agent=support-bot&live=true")).json() == {"tasks": [task]}
        assert house.log.types() == ["task.created"]

    asyncio.run(scenario())


def test_a_person_begins_tasks_of_their_agents_in_their_own_name(house: House) -> None:
    """That hop is verified, for they showed themselves to us."""

    async def scenario() -> None:
        task = await begun(house, person("alice"), on_behalf_of="alice")
        assert [(hop["level"], hop["method"]) for hop in task["chain"]] == [("verified", "token")]
        own = await begun(house, person("eve"))  # a deputy within her dates
        assert (own["root"], own["chain"]) == ({"kind": "agent", "id": "support-bot"}, [])
        async with house.operator(**{"countersign-as": "alice"}) as client:
            answer = (await client.post("/v1/tasks", json=ASKED | {"on_behalf_of": "alice"})).json()
        assert answer["chain"][0]["level"] == "endorsed"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("who", "body", "refused"),
    [
        (person("bob"), {}, (403, "not_yours")),
        (person("carol"), {}, (403, "not_yours")),
        (person("alice"), {"on_behalf_of": "frank"}, (403, "not_yours")),
        (person("alice"), {"agent": "builder"}, (403, "not_yours")),
        (person("alice"), {"agent": "nobody"}, (403, "not_yours")),
        (operator, {"agent": "nobody"}, (404, "agent_unknown")),
        (operator, {"agent": "stray"}, (409, "agent_owner_missing")),
        (operator, {"on_behalf_of": "dave"}, (404, "person_unknown")),
        (operator, {"tools": []}, (422, "tools_missing")),
        (operator, {"tools": ["refund"]}, (422, "tools_invalid")),
        (operator, {"tools": ["nowhere/x"]}, (404, "service_unknown")),
        (operator, {"tools": ["payments/refnd"]}, (404, "tool_unknown")),
        (operator, {"tools": ["payments/*"], "budget": {"spend": [MISSPELT]}}, (404, "tool_unknown")),
        (operator, {"datasets": ["read:nothing"]}, (404, "dataset_unknown")),
        (operator, {"datasets": ["nothing"]}, (422, "datasets_invalid")),
        (operator, {"purpose": ""}, (422, "purpose_missing")),
        (operator, {"ttl_seconds": 0}, (422, "deadline_invalid")),
        (operator, {"ttl_seconds": 10**6}, (422, "deadline_invalid")),
        (operator, {"parent": "task_x"}, (404, "task_unknown")),
        (operator, {"budget": {"calls": -1}}, (422, "budget_invalid")),
        (operator, {"anything": 1}, (422, "body_invalid")),
    ],
)
def test_what_may_not_be_begun_is_not(
    house: House, who: Client, body: dict[str, Any], refused: tuple[int, str]
) -> None:
    """Others' agents, others' names, unknown things: refused, and nothing is stored or recorded."""

    async def scenario() -> None:
        assert await code(house, who, "/v1/tasks", ASKED | body) == refused
        assert await house.tasks.list() == []
        assert house.log.records == []

    asyncio.run(scenario())


def test_a_child_is_begun_under_a_task_of_ones_own(house: House) -> None:
    """It ends with its parent at the latest, and hands on no more; another owner's task has no children by us."""

    async def scenario() -> None:
        parent = await begun(house, on_behalf_of="frank", ttl_seconds=600)
        child = await begun(house, parent=parent["id"], agent="builder")
        assert (child["deadline"], child["parent"]) == (parent["deadline"], parent["id"])
        assert [hop["id"] for hop in child["chain"]] == ["support-bot", "builder"]
        wider = ASKED | {"parent": parent["id"], "tools": ["payments/*"]}
        assert await code(house, operator, "/v1/tasks", wider) == (422, "widens_tools")
        longer = ASKED | {"parent": parent["id"], "ttl_seconds": 601}
        assert await code(house, operator, "/v1/tasks", longer) == (422, "outlives")
        stolen = ASKED | {"parent": parent["id"], "agent": "builder"}
        assert await code(house, person("bob"), "/v1/tasks", stolen) == (404, "task_unknown")

    asyncio.run(scenario())


@pytest.mark.parametrize("act", ["complete", "suspend", "resume"])
def test_only_those_who_answer_for_it_change_a_task(house: House, act: str) -> None:
    """Another owner learns nothing of it, an auditor may look, and each needs a reason."""

    async def scenario() -> None:
        task = await begun(house)
        path = f"/v1/tasks/{task['id']}/{act}"
        assert await code(house, person("bob"), path, {"reason": "x"}) == (404, "task_unknown")
        assert await code(house, person("carol"), path, {"reason": "x"}) == (403, "not_yours")
        assert await code(house, operator, "/v1/tasks/task_x/complete", {"reason": "x"}) == (404, "task_unknown")
        if act != "resume":
            assert await code(house, person("alice"), path, {"reason": " "}) == (422, "reason_required")
        assert (await house.tasks.find(task["id"])).state == "active"  # type: ignore[union-attr]  # it is there

    asyncio.run(scenario())


def test_a_task_is_suspended_resumed_and_completed(house: House) -> None:
    """What the operator suspended, only the operator resumes; what is over stays over."""

    async def scenario() -> None:
        path = f"/v1/tasks/{(await begun(house))['id']}"
        why = {"reason": "look"}
        alice = await house.person("alice")
        async with alice, house.operator() as root:
            assert (await alice.post(f"{path}/suspend", json=why)).json()["state"] == "suspended"
            assert (await alice.post(f"{path}/resume", json=why)).json()["state"] == "active"
            assert (await root.post(f"{path}/suspend", json=why)).json()["state"] == "suspended"
            assert (await alice.post(f"{path}/resume", json=why)).json()["code"] == "suspended_by_operator"
            assert (await root.post(f"{path}/resume", json=why)).json()["state"] == "active"
            assert (await alice.post(f"{path}/complete", json=why)).json()["state"] == "completed"
            again = await alice.post(f"{path}/resume", json=why)
        assert (again.status_code, again.json()["code"]) == (409, "task_state")
        assert house.log.types() == ["task.created"] + ["task.changed"] * 5

    asyncio.run(scenario())


# --- handles under tasks --------------------------------------------------------------------------


async def issue(house: House, **body: Any) -> httpx.Response:
    async with house.operator() as client:
        return await client.post("/v1/handles", json={"agent": "support-bot"} | body)


def test_a_handle_under_a_task_lives_no_longer(house: House) -> None:
    """By default it ends with the task; asking for more is refused."""

    async def scenario() -> None:
        task = (await begun(house, ttl_seconds=600))["id"]
        assert (await issue(house, task=task)).json()["not_after"] == house.now + 600
        assert (await issue(house, task=task, ttl_seconds=60)).json()["not_after"] == house.now + 60
        assert (await issue(house, task=task, ttl_seconds=601)).json()["code"] == "ttl_beyond_task"

    asyncio.run(scenario())


def test_a_handle_fits_its_task(house: House) -> None:
    """Of the same agent and the same person, under a task that runs, with all that is above it."""

    async def scenario() -> None:
        parent = (await begun(house, on_behalf_of="frank"))["id"]
        child = (await begun(house, parent=parent, agent="builder"))["id"]
        assert (await issue(house, agent="builder", task=child, on_behalf_of="frank")).status_code == 201
        assert (await issue(house, agent="builder", task=parent)).json()["code"] == "task_of_another"
        assert (await issue(house, task=parent, on_behalf_of="alice")).json()["code"] == "principal_differs"
        await house.tasks.suspend(parent, by="x", reason="x", now=house.now)
        assert (await issue(house, agent="builder", task=child)).json()["code"] == "task_not_active"
        await house.tasks.end(parent, "completed", by="x", reason="x", now=house.now)
        assert (await issue(house, agent="builder", task=child)).json()["code"] == "task_not_active"

    asyncio.run(scenario())


def test_a_mistyped_task_is_no_task_without_bounds(house: House) -> None:
    """A name of the operator's own is a label; something that looks like one of our ids must be one."""

    async def scenario() -> None:
        assert (await issue(house, task="nightly")).status_code == 201
        assert (await issue(house, task="task_" + "0" * 32)).json()["code"] == "task_unknown"
        first = (await issue(house)).json()["task"]
        assert (await issue(house, task=first)).status_code == 201

    asyncio.run(scenario())


def test_an_owner_s_list_is_not_filled_by_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many newer tasks there are of others, an owner sees their own, and may choose them to be stopped."""
    listed = house.tasks.list
    monkeypatch.setattr(house.tasks, "list", lambda **asked: listed(**{**asked, "limit": 2}))

    async def scenario() -> None:
        own = await house.begin()
        for _ in range(3):
            house.now += 1
            await house.begin(agent="builder", by="person:bob")
        async with await house.person("alice") as client:
            seen = (await client.get("/v1/tasks?live=true")).json()["tasks"]
        assert [task["id"] for task in seen] == [own.id]
        desk = await house.door.with_session(await house.session("alice"))
        assert desk is not None
        assert [*await desk.kill_switch.choices("task")] == [own.id]

    asyncio.run(scenario())
