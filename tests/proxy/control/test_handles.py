"""Handles over the API: issued by the operator, seen and revoked by those who answer for the agent."""

import asyncio
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Attestation, Held
from tests.fakes.control_house import House


def test_the_operator_issues_a_handle_that_works(house: House) -> None:
    """It is shown once, found by its digest, and on record before it exists."""

    async def scenario() -> None:
        async with house.operator() as client:
            body = {"agent": "support-bot", "purpose": "nightly", "on_behalf_of": "frank", "ttl_seconds": 600}
            answer = await client.post("/v1/handles", json=body)
            assert answer.status_code == 201
            made = answer.json()
            assert (made["agent"], made["on_behalf_of"], made["not_after"]) == ("support-bot", "frank", house.now + 600)
            row = await house.handles.find(made["handle"], house.now)
            assert row is not None
            assert (row.id, row.issued_by) == (made["id"], "operator:uid=0")
            listed = (await client.get("/v1/handles?agent=support-bot&live=true")).json()["handles"]
        assert [row["id"] for row in listed] == [made["id"]]
        assert listed[0]["live"] is True
        assert "digest" not in listed[0]
        assert house.log.types() == ["handle.issued"]
        assert made["handle"] not in repr(house.log.records)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"agent": "nobody"}, "agent_unknown"),
        ({"agent": "support-bot", "on_behalf_of": "dave"}, "person_unknown"),
        ({"agent": "support-bot", "on_behalf_of": ""}, "person_unknown"),
        ({"agent": "support-bot", "ttl_seconds": 0}, "ttl_out_of_range"),
        ({"agent": "support-bot", "ttl_seconds": 10**9}, "ttl_out_of_range"),
        ({"agent": "support-bot", "ttl_seconds": "60"}, "body_invalid"),
        ({"agent": "support-bot", "task": "A task"}, "task_invalid"),
        ({"agent": "support-bot", "task": ""}, "task_invalid"),
        ({"agent": "support-bot", "purpose": "x" * 201}, "body_invalid"),
        ({}, "body_invalid"),
    ],
)
def test_a_mistake_issues_nothing(house: House, body: dict[str, Any], code: str) -> None:
    """Unknown agents and people, lives out of range, odd tasks: refused, and nothing is recorded."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await client.post("/v1/handles", json=body)
        assert answer.json()["code"] == code
        assert await house.handles.list() == []
        assert house.log.records == []

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_issued(house: House) -> None:
    """With a broken log there is no handle."""

    async def scenario() -> None:
        house.log.broken = True
        async with house.operator() as client:
            assert (await client.post("/v1/handles", json={"agent": "support-bot"})).status_code == 503
        assert await house.handles.list() == []

    asyncio.run(scenario())


def test_an_owner_revokes_their_agents_handle_and_no_other(house: House) -> None:
    """Another owner learns nothing of it; its own owner ends it with a reason, and what runs under it."""

    async def scenario() -> None:
        handle, row = await house.handles.issue(
            agent="support-bot", purpose="", ttl=60, issued_by="test", now=house.now, task="task_1"
        )
        path = f"/v1/handles/{row.id}/revoke"
        async with await house.person("bob") as client:
            answer = await client.post(path, json={"reason": "x"})
            assert (answer.status_code, answer.json()["code"]) == (404, "handle_unknown")
            assert (await client.get("/v1/handles")).json() == {"handles": []}
        async with await house.person("alice") as client:
            assert (await client.post(path, json={"reason": ""})).status_code == 422
            assert (await client.post(path, json={"reason": "laptop lost"})).status_code == 200
            assert (await client.get("/v1/handles?live=true")).json() == {"handles": []}
            assert (await client.get("/v1/handles")).json()["handles"][0]["live"] is False
        assert [revocation.scope for revocation in house.revocations.in_force()] == [f"handle:{row.id}"]
        assert house.log.types() == ["revocation.put"]
        assert handle.startswith("csh_")

    asyncio.run(scenario())


def test_a_handle_is_dead_whatever_is_broken(house: House) -> None:
    """With the audit log down it is in force at once, for the operator and for its owner; and the answer says so."""

    async def scenario() -> None:
        for person in ("operator", "alice"):
            handle, row = await house.handles.issue(
                agent="support-bot", purpose="", ttl=60, issued_by="test", now=house.now
            )
            house.log.broken = True
            client = house.operator() if person == "operator" else await house.person(person)
            async with client:
                answer = await client.post(f"/v1/handles/{row.id}/revoke", json={"reason": "laptop lost"})
            assert (answer.status_code, answer.json()["recorded"]) == (200, False)
            assert "audit log" in answer.json()["note"]
            assert f"handle:{row.id}" in {one.scope for one in house.revocations.in_force()}
            with pytest.raises(Refused):
                await house.handles.find(handle, house.now)
            house.log.broken = False
            await house.revocations.settle()
        assert house.log.types() == ["revocation.put"] * 2
        house.store.close()
        async with house.operator() as client:
            answer = await client.post("/v1/handles/hnd_1/revoke", json={"reason": "laptop lost"})
        assert (answer.status_code, answer.json()["stored"]) == (200, False)

    asyncio.run(scenario())


def test_an_unknown_handle_and_an_odd_flag_are_named(house: House) -> None:
    """Revoking what is not there, and `live=maybe`, are mistakes and not successes."""

    async def scenario() -> None:
        async with house.operator() as client:
            assert (await client.post("/v1/handles/hnd_x/revoke", json={"reason": "x"})).status_code == 404
            assert (await client.get("/v1/handles?live=maybe")).json()["code"] == "flag_invalid"

    asyncio.run(scenario())


def privileged(house: House) -> None:
    """The files call the support bot privileged, and its owner has attested it as such."""
    bot = house.written.agents["support-bot"].model_copy(update={"agent_class": "privileged"})
    house.held = Held(
        attestations={
            "agent:support-bot": Attestation(
                id="a1", what="agent:support-bot", owner="alice", agent_class="privileged", digest="sha256:1",
                person="alice", at=house.now,
            )
        }
    )  # fmt: skip
    house.write(house.written.model_copy(update={"agents": {**house.written.agents, "support-bot": bot}}))


def test_a_privileged_agents_handle_is_short(house: House) -> None:
    """A longer one is refused if asked for; else it lives no longer than it may. Unattested, there is none."""

    async def scenario() -> None:
        privileged(house)
        async with house.operator() as client:
            long = await client.post("/v1/handles", json={"agent": "support-bot", "ttl_seconds": 901})
            assert (long.status_code, long.json()["code"]) == (422, "ttl_out_of_range")
            for body, life in (({}, 900), ({"ttl_seconds": 60}, 60)):
                made = (await client.post("/v1/handles", json={"agent": "support-bot", **body})).json()
                assert made["not_after"] == house.now + life
            house._hold(Held())
            refused = await client.post("/v1/handles", json={"agent": "support-bot"})
            assert (refused.status_code, refused.json()["code"]) == (409, "agent_unattested")

    asyncio.run(scenario())


def test_no_handle_is_issued_under_a_task_that_is_too_old_for_a_privileged_agent(house: House) -> None:
    """The task began as a utility's for an hour: its handles end with it, sooner now, and then there are none."""

    async def scenario() -> None:
        async with house.operator() as client:
            asked = {"agent": "support-bot", "purpose": "p", "tools": ["payments/*"], "ttl_seconds": 3600}
            task = (await client.post("/v1/tasks", json=asked)).json()
            privileged(house)
            house.write(privileged_task_seconds=60)
            body = {"agent": "support-bot", "task": task["id"]}
            assert (await client.get(f"/v1/tasks/{task['id']}")).json()["deadline"] == house.now + 60
            house.now += 50
            assert (await client.post("/v1/handles", json=body)).json()["not_after"] == house.now + 10
            long = await client.post("/v1/handles", json=body | {"ttl_seconds": 11})
            assert (long.status_code, long.json()["code"]) == (422, "ttl_beyond_task")
            house.now += 10
            refused = await client.post("/v1/handles", json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, "task_not_active")
            below = await client.post("/v1/tasks", json={**asked, "parent": task["id"], "ttl_seconds": 5})
            assert below.status_code in {409, 422}

    asyncio.run(scenario())


def test_a_privileged_agents_task_is_short(house: House) -> None:
    """The same holds for its tasks."""

    async def scenario() -> None:
        privileged(house)
        house.write(privileged_task_seconds=600)
        asked = {"agent": "support-bot", "purpose": "p", "tools": ["payments/*"]}
        async with house.operator() as client:
            long = await client.post("/v1/tasks", json={**asked, "ttl_seconds": 601})
            assert (long.status_code, long.json()["code"]) == (422, "ttl_out_of_range")
            made = await client.post("/v1/tasks", json=asked)
            assert made.json()["deadline"] == house.now + 600

    asyncio.run(scenario())
