"""Human, orchestrator, sub-agent, internal service: with real tokens of a real provider, seen from every side."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.three_hops import PATH, House, error, house
from tests.fakes.accounts import claims_of
from tests.fakes.waiting import own_time

LINE = (
    "GET crm/get_customer: human:alice -> agent:orchestrator (verified, access_token) "
    "-> agent:researcher (verified, {shown}); olivia answers for it"
)


@pytest.mark.parametrize(("by_idp", "shown"), [(False, "task_token"), (True, "jwt")], ids=["own key", "own token"])
def test_the_service_prints_the_whole_chain(tmp_path: Path, by_idp: bool, shown: str) -> None:
    """The agents show themselves by their keys, or by tokens of the provider: each hop is verified, and says how."""

    async def main() -> None:
        async with house(tmp_path) as it:
            first = await it.first(by_idp=by_idp)
            second = await it.second(first, by_idp=by_idp)
            async with it.agent(second) as agent:
                answer = await agent.get(PATH)
                assert answer.status_code == 200, answer.text
                chain = LINE.format(shown=shown).partition(": ")[2].partition(";")[0]
                assert answer.json() == {"chain": chain, "wholly_verified": True, "approval": ""}
            assert await it.says() == LINE.format(shown=shown)
            _tokens_say_so(it, first, second)
            await _shown_by_the_command(tmp_path, claims_of(second)["task"])

    asyncio.run(main())


def _tokens_say_so(it: House, first: str, second: str) -> None:
    """Each token names its parties, and its task hangs on the one before."""
    one, two = claims_of(first), claims_of(second)
    assert (one["sub"], one["act"]["sub"], one["client_id"]) == ("alice", "orchestrator", "orchestrator")
    assert (two["sub"], two["act"]["sub"], two["act"]["act"]["sub"]) == ("alice", "researcher", "orchestrator")
    assert two["scope"] == "crm/get_customer"
    assert two["exp"] <= one["exp"] <= time.time() + 900


async def _shown_by_the_command(folder: Path, task: str) -> None:
    """`countersign trace` of the sub-agent's task: who, for whom, through whom, and what came of it."""
    command = [sys.executable, "-m", "proxy.cli", "trace", task, "--config", str(folder / "countersign.yaml")]
    for _ in range(100):  # what came of a call is written a moment after the answer
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        if "200" in done.stdout:
            break
    assert done.returncode == 0, done.stderr
    for piece in ("alice", "orchestrator", "researcher", "get_customer", "200"):
        assert piece in done.stdout, done.stdout


WIDER = {
    "another tool": ({"actions": ["crm/export_customers"]}, "invalid_scope"),
    "all tools": ({"actions": ["crm/*"]}, "invalid_scope"),
    "another service": ({"actions": ["notes/search_notes"]}, "invalid_scope"),
    "a dataset": ({"datatypes": ["read:exports"]}, "invalid_scope"),
    "a service that is not": ({"actions": ["bank/pay"]}, "invalid_authorization_details"),
}


def test_nothing_widens_on_the_way(tmp_path: Path) -> None:
    """More tools or data than the task above are refused; more time and more calls than it has do not come about."""

    async def main() -> None:
        async with house(tmp_path) as it:
            first = await it.first(ttl_seconds=120, budget={"calls": 2})
            actor = await it.own("researcher")
            for name, (wanted, code) in WIDER.items():
                assert error(await it.exchange("researcher", first, actor, **wanted)) == code, name
            more = await it.exchange("researcher", first, actor, budget={"calls": 3})
            assert error(more) == "invalid_authorization_details"
            assert "budget of 2 calls" in more.json()["error_description"]
            longer = await it.second(first, ttl_seconds=800, budget={})
            task = await it.core.tasks.find(claims_of(longer)["task"])
            above = await it.core.tasks.find(claims_of(first)["task"])
            assert task is not None
            assert above is not None
            assert task.deadline <= above.deadline
            assert claims_of(longer)["exp"] <= above.deadline
            async with it.agent(longer) as agent:
                got = [(await agent.get(PATH)).status_code for _ in range(3)]
                assert got == [200, 200, 403]
                refused = await agent.get("/v1/exports/customers")
                assert (refused.status_code, refused.json()["reason"]) == (403, "task_tool_undeclared")

    asyncio.run(main())


def test_who_is_ended_takes_what_was_handed_on_along(tmp_path: Path) -> None:
    """The orchestrator's task ends, and the sub-agent's open tunnel answers 403 within a second; so does its token."""

    async def main() -> None:
        async with house(tmp_path) as it:
            first = await it.first()
            second = await it.second(first)
            async with it.agent(second) as agent:
                assert (await agent.get(PATH)).status_code == 200
                began = own_time()
                task = claims_of(first)["task"]
                await it.core.tasks.end(task, "completed", by="person:alice", reason="done", now=time.time())
                answer = await refused(agent)
                assert own_time() - began < 1.0
                assert answer == "task_revoked"
            assert await it.presented(second) == (403, "task_revoked")
            again = await it.exchange("researcher", first, await it.own("researcher"))
            assert error(again) == "invalid_grant"

    asyncio.run(main())


async def refused(agent: httpx.AsyncClient) -> str:
    """The reason of the first call that does not pass."""
    for _ in range(2000):
        answer = await agent.get(PATH)
        if answer.status_code != 200:
            return str(answer.json()["reason"])
    raise AssertionError("calls still pass")
