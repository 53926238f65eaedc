"""The kill switch in people's hands: theirs to use on what is theirs, and written down first."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.fakes.control_house import House


async def post(client: httpx.AsyncClient, scope: str, reason: str = "odd") -> httpx.Response:
    return await client.post("/v1/revocations", json={"scope": scope, "reason": reason})


async def delete(client: httpx.AsyncClient, scope: str, reason: str = "checked") -> httpx.Response:
    return await client.request("DELETE", "/v1/revocations", params={"scope": scope}, json={"reason": reason})


def scopes(house: House) -> list[str]:
    return sorted(row.scope for row in house.revocations.in_force())


def test_an_owner_ends_their_agent_and_brings_it_back(house: House) -> None:
    """Both are in force at once, and each is in the log with who and why."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            assert (await post(client, "agent:support-bot", "behaves oddly")).status_code == 201
            assert scopes(house) == ["agent:support-bot"]
            assert (await delete(client, "agent:support-bot")).status_code == 200
        assert scopes(house) == []
        assert house.log.types() == ["revocation.put", "revocation.lifted"]
        put = house.log.records[0]["change"]
        assert (put["what"], put["by"], put["reason"]) == ("agent:support-bot", "person:alice", "behaves oddly")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "scope", ["agent:builder", "agent:stray", "agent:none", "global", "team:support", "owner:alice"]
)
def test_nobody_ends_what_is_not_theirs(house: House, scope: str) -> None:
    """Another's agent, an orphan, something unknown, or everything: refused, and nothing is recorded."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            for answer in (await post(client, scope), await delete(client, scope)):
                assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
        assert scopes(house) == []
        assert house.log.records == []

    asyncio.run(scenario())


def test_what_the_operator_ended_only_the_operator_lifts(house: House) -> None:
    """An owner can neither lift it nor end it again under their own name, which would let them lift it."""

    async def scenario() -> None:
        async with house.operator() as operator, await house.person("alice") as owner:
            assert (await post(operator, "agent:support-bot", "incident 7")).status_code == 201
            for answer in (await post(owner, "agent:support-bot"), await delete(owner, "agent:support-bot")):
                assert (answer.status_code, answer.json()["code"]) == (409, "ended_by_operator")
            assert house.revocations.in_force()[0].by == "operator:uid=0"
            assert (await delete(operator, "agent:support-bot")).status_code == 200

    asyncio.run(scenario())


def test_the_operator_ends_anything(house: House) -> None:
    """Everything, a team, a service, a tool: each scope that is written as one."""

    async def scenario() -> None:
        wanted = ["global", "service:payments", "team:support", "tool:payments/refund"]
        async with house.operator() as client:
            for scope in wanted:
                assert (await post(client, scope)).status_code == 201
        assert scopes(house) == wanted

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"scope": "agents:support-bot", "reason": "x"}, 422, "scope_invalid"),
        ({"scope": "", "reason": "x"}, 422, "scope_invalid"),
        ({"scope": "agent:support-bot", "reason": " "}, 422, "reason_required"),
        ({"scope": "agent:support-bot"}, 422, "body_invalid"),
        ({"scope": "agent:support-bot", "reason": "x", "kind": "freeze"}, 422, "body_invalid"),
    ],
)
def test_a_mistake_ends_nothing(house: House, body: dict[str, Any], status: int, code: str) -> None:
    """A scope that matches nothing, a missing reason, an unknown field: refused in words."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await client.post("/v1/revocations", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert scopes(house) == []

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_done(house: House) -> None:
    """With a broken log neither ending nor lifting takes effect."""

    async def scenario() -> None:
        async with house.operator() as client:
            house.log.broken = True
            assert (await post(client, "agent:support-bot")).status_code == 503
            assert scopes(house) == []
            house.log.broken = False
            await post(client, "agent:support-bot")
            house.log.broken = True
            assert (await delete(client, "agent:support-bot")).status_code == 503
        assert scopes(house) == ["agent:support-bot"]

    asyncio.run(scenario())


def test_lifting_what_is_not_ended_says_so(house: House) -> None:
    """A typing mistake in a scope is not taken for success."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await delete(client, "agent:support-bot")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_revoked")

    asyncio.run(scenario())


def test_people_see_the_ends_that_concern_them(house: House) -> None:
    """An owner sees their agents' ends, an auditor those of all agents, a stranger none."""

    async def scenario() -> None:
        async with house.operator() as client:
            await post(client, "agent:support-bot")
            await post(client, "agent:builder")
        seen = {}
        for person in ("alice", "carol", "frank"):
            async with await house.person(person) as client:
                rows = (await client.get("/v1/revocations")).json()["revocations"]
            seen[person] = sorted(row["scope"] for row in rows)
        assert seen == {
            "alice": ["agent:support-bot"],
            "carol": ["agent:builder", "agent:support-bot"],
            "frank": [],
        }

    asyncio.run(scenario())


@pytest.mark.parametrize("scope", ["agent:suport-bot", "owner:alcie", "team:suport", "service:cmr"])
def test_a_misspelt_name_is_said_and_ends_nothing(house: House, scope: str) -> None:
    """Whoever ends an agent in an incident is told when there is none of that name."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await post(client, scope)
            assert answer.status_code == 404
            assert answer.json()["code"] == "scope_unknown"
        assert scopes(house) == []

    asyncio.run(scenario())
