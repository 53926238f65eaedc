"""The task that a program is run under."""

import asyncio
import contextlib

import httpx
import pytest
import respx

from policies.model import Json
from proxy.cli.run_task import begun, wanted_task
from proxy.errors import CountersignError

HANDLE: dict[str, Json] = {"agent": "bot", "on_behalf_of": "alice", "purpose": "x"}
TASK = {"id": "task_1", "deadline": 1.0}


def test_a_task_is_for_whom_the_handle_is() -> None:
    """Agent, human and purpose are said once."""
    assert wanted_task(HANDLE, ["crm/*"], ["read:customers"], 60) == {
        "agent": "bot",
        "purpose": "x",
        "tools": ["crm/*"],
        "datasets": ["read:customers"],
        "ttl_seconds": 60,
        "on_behalf_of": "alice",
    }
    assert wanted_task(HANDLE, None, None, None) is None


def test_half_of_a_task_is_a_mistake() -> None:
    """A dataset or a life without a tool would bound nothing; two tasks are one too many."""
    for handle, tools, datasets, ttl in (
        (HANDLE, None, ["read:x"], None),
        (HANDLE, [], None, 0),
        (HANDLE | {"task": "task_1"}, ["crm/*"], None, None),
    ):
        with pytest.raises(CountersignError):
            wanted_task(handle, tools, datasets, ttl)


@pytest.mark.parametrize("fails", [False, True])
def test_the_task_ends_whatever_becomes_of_the_program(fails: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Also if the handle is refused, or the program cannot be started; a server that has gone is said in words."""

    async def scenario() -> None:
        with respx.mock(base_url="http://localhost") as server:
            server.post("/v1/tasks").respond(201, json=TASK)
            ended = server.post("/v1/tasks/task_1/complete").mock(
                side_effect=httpx.ConnectError("gone") if fails else httpx.Response(200, json={})
            )
            async with httpx.AsyncClient(base_url="http://localhost") as client:
                with contextlib.suppress(CountersignError):
                    async with begun(client, {"agent": "bot"}) as task:
                        assert task == {"task": "task_1"}
                        raise CountersignError("it cannot be started")
            assert ended.call_count == 1

    asyncio.run(scenario())
    assert ("task_1 was not ended by us" in capsys.readouterr().err) is fails


def test_without_a_task_nothing_is_asked_of_the_server() -> None:
    """No request is made."""

    async def scenario() -> None:
        async with httpx.AsyncClient() as client, begun(client, None) as task:
            assert task == {}

    asyncio.run(scenario())
