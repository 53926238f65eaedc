"""The kill switch in people's hands: theirs to use on what is theirs, and written down first."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from policies.model import Json
from proxy.endings import Reach
from proxy.tasks.task import NewTask
from telemetry.errors import AuditUnavailable
from tests.fakes.control_house import House


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes into the store, and does not end."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def post(client: httpx.AsyncClient, scope: str, reason: str = "odd", **more: str) -> httpx.Response:
    return await client.post("/v1/revocations", json={"scope": scope, "reason": reason, **more})


async def delete(client: httpx.AsyncClient, scope: str, reason: str = "checked", **which: str) -> httpx.Response:
    return await client.request("DELETE", "/v1/revocations", params={"scope": scope, **which}, json={"reason": reason})


def scopes(house: House) -> list[str]:
    return sorted(row.scope for row in house.revocations.in_force())


def standing(house: House) -> dict[str, str]:
    return {row.kind: row.by for row in house.revocations.in_force()}


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
        ({"scope": "agent:support-bot", "reason": "x", "kind": "slow"}, 422, "body_invalid"),
        ({"scope": "agent:support-bot", "reason": "", "kind": "freeze"}, 422, "reason_required"),
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


@pytest.mark.parametrize("kind", ["revoke", "freeze"])
def test_the_kill_switch_does_not_wait_for_the_log(house: House, kind: str) -> None:
    """With a broken log it takes effect, says that it is not on record, and is put there when that is possible."""

    async def scenario() -> None:
        async with house.operator() as client:
            house.log.broken = True
            done = await post(client, "agent:support-bot", kind=kind)
            assert (done.status_code, done.json()["recorded"]) == (201, False)
            assert "not in the audit log yet" in done.json()["note"]
            assert scopes(house) == ["agent:support-bot"]
            with pytest.raises(AuditUnavailable):
                await house.revocations.settle()
            house.log.broken = False
            await house.revocations.settle()
        (record,) = house.log.records
        assert (record["type"], record["change"]["by"]) == ("revocation.put", "operator:uid=0")

    asyncio.run(scenario())


def test_a_lift_waits_for_the_log(house: House) -> None:
    """What cannot be written down is not brought back."""

    async def scenario() -> None:
        async with house.operator() as client:
            await post(client, "agent:support-bot")
            house.log.broken = True
            assert (await delete(client, "agent:support-bot")).status_code == 503
        assert scopes(house) == ["agent:support-bot"]

    asyncio.run(scenario())


def test_the_operator_ends_while_the_store_is_locked(house: House, tmp_path: Path) -> None:
    """In force at once and said to be kept beside the store; not lifted before the store has it."""

    async def scenario() -> None:
        async with house.operator() as client:
            with locked(tmp_path / "store.db"):
                done = (await post(client, "global")).json()
                assert (done["stored"], done["kept"], done["recorded"]) == (False, True, True)
                assert "not yet in the store" in done["note"]
                (row,) = (await client.get("/v1/revocations")).json()["revocations"]
                assert (row["scope"], row["stored"]) == ("global", False)
                assert (await delete(client, "global")).status_code == 503
                assert scopes(house) == ["global"]
            await house.revocations.settle()
            assert house.revocations.unstored() == frozenset()
            assert (await delete(client, "global")).status_code == 200
        assert await house.store.all_revocations() == []

    asyncio.run(scenario())


def test_an_owner_freezes_their_agent(house: House) -> None:
    """It is listed as frozen, can be ended besides, and is then both, of which a freeze that is put anew tells."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            done = await post(client, "agent:support-bot", kind="freeze")
            assert (done.status_code, done.json()["kind"]) == (201, "freeze")
            assert house.revocations.in_force()[0].kind == "freeze"
            assert (await post(client, "agent:support-bot")).status_code == 201
            assert standing(house).keys() == {"revoke", "freeze"}
            again = await post(client, "agent:support-bot", kind="freeze")
            assert (again.status_code, "it is ended as well" in again.json()["note"]) == (201, True)
            assert standing(house).keys() == {"revoke", "freeze"}
            assert (await delete(client, "agent:support-bot")).status_code == 200
            assert (await post(client, "agent:builder", kind="freeze")).status_code == 403
        assert scopes(house) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("freeze_first", [False, True])
def test_a_person_who_is_ended_and_frozen_is_both(house: House, freeze_first: bool) -> None:
    """In whatever order: the list shows both, and each is lifted alone, and its lift is on record as such."""

    async def scenario() -> None:
        async with house.operator() as client:
            for kind in ("freeze", "revoke") if freeze_first else ("revoke", "freeze"):
                assert (await post(client, "principal:frank", kind=kind)).status_code == 201
            rows = (await client.get("/v1/revocations")).json()["revocations"]
            assert sorted((row["kind"], row["stored"]) for row in rows) == [("freeze", True), ("revoke", True)]
            assert (await delete(client, "principal:frank", kind="slow")).json()["code"] == "kind_invalid"
            assert (await delete(client, "principal:frank", kind="")).json()["code"] == "kind_invalid"
            assert (await delete(client, "principal:frank", kind="revoke")).status_code == 200
            assert standing(house).keys() == {"freeze"}
            gone = await delete(client, "principal:frank", kind="revoke")
            assert (gone.status_code, gone.json()["code"]) == (404, "not_revoked")
            assert (await delete(client, "principal:frank")).status_code == 200
        assert standing(house) == {}
        lifted = [record["change"]["details"][-1] for record in house.log.records if "lifted" in record["type"]]
        assert lifted == ["lifted=revoke", "lifted=freeze"]

    asyncio.run(scenario())


def test_an_owner_ends_what_the_operator_froze_and_lifts_only_that(house: House) -> None:
    """Each stands in the name of who did it: the owner brings back what they ended, and it is still frozen."""

    async def scenario() -> None:
        async with house.operator() as operator, await house.person("alice") as owner:
            await post(operator, "agent:support-bot", "look into it", kind="freeze")
            assert (await post(owner, "agent:support-bot", "it is bad", kind="freeze")).status_code == 409
            assert (await post(owner, "agent:support-bot", "it is bad")).status_code == 201
            assert standing(house) == {"freeze": "operator:uid=0", "revoke": "person:alice"}
            for which in ({}, {"kind": "freeze"}):
                answer = await delete(owner, "agent:support-bot", **which)
                assert (answer.status_code, answer.json()["code"]) == (409, "ended_by_operator")
                assert standing(house).keys() == {"freeze", "revoke"}
            assert (await delete(owner, "agent:support-bot", kind="revoke")).status_code == 200
            assert standing(house) == {"freeze": "operator:uid=0"}

    asyncio.run(scenario())


def test_an_owner_ends_what_a_transmitter_froze_and_others_can_be_told(house: House) -> None:
    """The end is the owner's, of which receivers of events are told; the freeze stays the transmitter's."""

    async def scenario() -> None:
        idp = "transmitter:https://idp.example"
        await house.revocations.revoke("agent:support-bot", idp, "risk is high", house.now, kind="freeze")
        async with house.operator() as operator, await house.person("alice") as owner:
            assert (await post(owner, "agent:support-bot", "it is bad")).status_code == 201
            assert standing(house) == {"freeze": idp, "revoke": "person:alice"}
            refused = await delete(owner, "agent:support-bot")
            assert (refused.status_code, refused.json()["code"]) == (409, "ended_by_operator")
            assert "has frozen this; only the operator can lift it" in refused.text
            assert (await delete(operator, "agent:support-bot")).status_code == 200
            assert standing(house) == {}

    asyncio.run(scenario())


def test_what_is_open_under_a_scope_is_told(house: House) -> None:
    """The answer counts connections and calls that were open, for the one who ended them."""

    async def scenario() -> None:
        house.deps = replace(house.deps, reach=lambda scope: Reach(3, 2) if scope == "global" else Reach(0, 0))
        house.serve()
        async with house.operator() as client:
            done = (await post(client, "global")).json()
            assert (done["connections"], done["calls"], done["note"]) == (3, 2, "")
            for scope, told in (
                ("agent:builder", False), ("principal:frank", False), ("connection:conn_1", True),
                ("token:https://idp.example|t", True), ("principal:https://idp.example|u", True),
                ("instance:builder/1", True),
            ):  # fmt: skip
                note = (await post(client, scope)).json()["note"]
                assert ("nothing is open under it now, and no list has such names" in note) is told

    asyncio.run(scenario())


def test_a_lift_does_not_undo_what_another_ended_meanwhile(house: House) -> None:
    """While an owner's lift is being written down, the operator ends the same scope: it stays ended."""
    record = house.log.append

    async def meanwhile(entry: Mapping[str, Json]) -> int:
        if entry["type"] == "revocation.lifted":
            async with house.operator() as operator:
                assert (await post(operator, "agent:support-bot", "an incident")).status_code == 201
        return await record(entry)

    async def scenario() -> None:
        async with await house.person("alice") as client:
            await post(client, "agent:support-bot", kind="freeze")
            house.deps = replace(house.deps, record=meanwhile)
            house.serve()
        async with await house.person("alice") as client:
            answer = await delete(client, "agent:support-bot")
        assert (answer.status_code, answer.json()["code"]) == (409, "stale")
        assert standing(house) == {"freeze": "person:alice", "revoke": "operator:uid=0"}
        assert set(await house.store.all_revocations()) == set(house.revocations.in_force())

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


@pytest.mark.parametrize(
    "scope",
    [
        "agent:suport-bot", "owner:alcie", "team:suport", "service:cmr", "tool:payments/refnud", "tool:cmr/refund",
        "credential:payments-kye", "principal:alcie", "task:task_none", "handle:hnd_none", "process:nightly",
        "partner:acme", "instance:suport-bot/1",
    ],
)  # fmt: skip
def test_a_misspelt_name_is_said_and_ends_nothing(house: House, scope: str) -> None:
    """Whoever ends an agent in an incident is told when there is none of that name."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await post(client, scope)
            assert answer.status_code == 404
            assert answer.json()["code"] == "scope_unknown"
        assert scopes(house) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "scope",
    [
        "instance:support-bot/pod-7",
        "principal:https://idp.example|u-1",
        "token:https://idp.example|j-1",
        "class:utility",
    ],
)
def test_what_no_inventory_lists_is_taken_at_its_word(house: House, scope: str) -> None:
    """A token, a foreign subject and a running copy are known to nobody but who issued or runs them."""

    async def scenario() -> None:
        async with house.operator() as client:
            assert (await post(client, scope)).status_code == 201
        assert scopes(house) == [scope]

    asyncio.run(scenario())


def test_a_task_and_a_handle_are_known_by_what_was_given(house: House) -> None:
    """A handle that was issued, and the task that it names, can be ended; so can a task that was begun."""

    async def scenario() -> None:
        async with house.operator() as client:
            made = (await client.post("/v1/handles", json={"agent": "support-bot"})).json()
            for scope in (f"task:{made['task']}", f"handle:{made['id']}"):
                assert (await post(client, scope)).status_code == 201
            assert len(scopes(house)) == 2

    asyncio.run(scenario())


def test_an_owner_ends_a_task_of_theirs_however_many_are_newer(house: House) -> None:
    """A house has thousands of live tasks: the one that runs wild is ended by who answers for it."""

    async def scenario() -> None:
        tasks = [
            await house.tasks.create(
                NewTask("support-bot", "refunds", house.now + 600, ("payments/*",)), by="test", now=house.now + age
            )
            for age in range(201)
        ]
        first = tasks[0].id
        async with await house.person("alice") as client:
            assert (await post(client, f"task:{first}", kind="freeze")).status_code == 201
            assert (await delete(client, f"task:{first}")).status_code == 200
            assert (await post(client, f"task:{first}")).status_code == 201
        async with await house.person("bob") as client:
            assert (await post(client, f"task:{first}")).status_code == 403

    asyncio.run(scenario())
