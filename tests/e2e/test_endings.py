"""Ended in the middle of traffic, by every way in which something can end: refused and cut within a second."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.stages import Principal
from proxy.tasks.delegation import Proof
from proxy.tasks.task import NewTask
from tests.e2e.ending_house import EndingHouse, Going, Open, ending_house
from tests.fakes.accounts import claims_of
from tests.fakes.waiting import own_time, until

SECOND = 1.0
OURS = "https://gov.test"
TESTS = "purpose: tests, expires: 2099-01-01"


async def ended(house: EndingHouse, scope: str, kind: str = "revoke") -> dict[str, Any]:
    """What the command says, over the operator's socket as `countersign revoke` gives it."""
    answer = await house.control.post("/v1/revocations", json={"scope": scope, "reason": "e2e", "kind": kind})
    assert answer.status_code == 201, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def begun_task(house: EndingHouse) -> str:
    new = NewTask(
        "support-bot",
        "e2e",
        house.core.clock() + 600,
        ("crm/*", "chat/*"),
        ("read:customers",),
        principal=Principal("human", "alice"),
        proof=Proof("handle", "verified", "sha256:aa"),
    )
    return (await house.core.tasks.create(new, by="e2e", now=house.core.clock())).id


def scenario(folder: Path, story: Callable[[EndingHouse], Awaitable[None]], **house: Any) -> None:
    async def main() -> None:
        async with ending_house(folder, **house) as made:
            await story(made)

    asyncio.run(main())


@pytest.mark.parametrize(
    "scope", ["agent:support-bot", "owner:olivia", "principal:alice", "team:support", "class:utility", "global"]
)
def test_who_is_ended_is_cut_and_refused_within_a_second(tmp_path: Path, scope: str) -> None:
    """Streams, WebSockets and tunnels, busy or silent; new calls; approvals that were given. Lifted, all goes again."""

    async def story(house: EndingHouse) -> None:
        handle = await house.handle()
        open_ = await house.open(handle)
        hold = (await house.refund(handle))["hold_id"]
        await house.core.holds.vote(
            hold, "olivia", "approve", channel="test", assurance="session", now=house.core.clock()
        )
        began = own_time()
        done = await ended(house, scope)
        assert (done["connections"] >= 5, done["calls"], done["stored"], done["note"]) == (True, 4, True, "")
        reason = f"{scope.partition(':')[0]}_revoked"
        assert await house.call(handle) == (403, reason)
        assert await house.over(*open_.all) - began < SECOND
        assert max(house.heard) - began < SECOND
        assert (await house.refund(handle))["reason"] == reason
        await house.control.request("DELETE", f"/v1/revocations?scope={scope}", json={"reason": "e2e"})
        assert await house.call(handle) == (200, "")
        told = await house.refund(handle)
        assert (told["reason"], told["hold_id"]) == ("approval_invalidated", hold)

    scenario(tmp_path, story)


def test_a_service_that_is_ended_is_cut_and_the_other_goes_on(tmp_path: Path) -> None:
    """Calls to it are cut and refused; the WebSocket to another service keeps talking."""

    async def story(house: EndingHouse) -> None:
        handle = await house.handle()
        open_ = await house.open(handle)
        began = own_time()
        assert (await ended(house, "service:crm"))["calls"] == 2
        assert await house.call(handle) == (403, "service_revoked")
        assert await house.over(open_.stream, open_.silent_stream) - began < SECOND
        talked = len(house.heard)
        await until(lambda: len(house.heard) >= talked + 3)
        assert not open_.silent_chat.task.done()
        await ended(house, "tool:chat/talk")
        await house.over(open_.chat, open_.silent_chat)
        await ended(house, "agent:support-bot")
        await house.over(open_.tunnel)

    scenario(tmp_path, story)


@pytest.mark.parametrize("kind", ["handle", "connection", "credential"])
def test_a_narrow_end_leaves_the_rest_alone(tmp_path: Path, kind: str) -> None:
    """One handle, one connection, one credential of a service: what has it is cut, the same agent goes on beside it."""

    async def story(house: EndingHouse) -> None:
        handle, other = await house.handle(), await house.handle()
        open_, beside = await house.open(handle), await house.open(other)
        id_, cut, kept = await narrowed(house, kind, open_, beside)
        began = own_time()
        await ended(house, f"{kind}:{id_}")
        assert await house.over(*cut) - began < SECOND
        expected = {
            "handle": (403, "handle_revoked"),
            "connection": (200, ""),
            "credential": (403, "credential_revoked"),
        }
        assert await house.call(handle) == expected[kind]
        assert not any(going.task.done() for going in kept)
        await ended(house, "global")
        await house.over(*open_.all, *beside.all)

    scenario(tmp_path, story)


async def narrowed(house: EndingHouse, kind: str, one: Open, other: Open) -> tuple[str, list[Going], list[Going]]:
    """The id of the narrow thing; what goes with it, and what stays."""
    if kind == "credential":
        streams = [one.stream, one.silent_stream, other.stream, other.silent_stream]
        return "crm-key", streams, [going for going in (*one.all, *other.all) if going not in streams]
    rows = await house.core.handles.list()
    first = min(rows, key=lambda row: row.issued_at)
    if kind == "handle":
        return first.id, one.all, other.all
    under_way = [call for calls in house.core.pipeline._under_way.values() for call in calls.values()]
    attributed = [call.decided.described.attributed for call in under_way]
    (mine,) = (
        had.arrived.connection
        for had in attributed
        if had.identity.proven.credential == first.id and had.arrived.request.query == "silent=yes"
    )
    return mine, [one.silent_stream], [one.stream, one.chat, one.tunnel, *other.all]


def test_a_task_that_ends_takes_everything_along(tmp_path: Path) -> None:
    """By its own end, not by the kill switch: its connections are cut, and its handle is of no use."""

    async def story(house: EndingHouse) -> None:
        task = await begun_task(house)
        handle, other = await house.handle(task=task), await house.handle()
        open_, untouched = await house.open(handle), await house.open(other)
        began = own_time()
        answer = await house.control.post(f"/v1/tasks/{task}/complete", json={"reason": "done"})
        assert answer.status_code == 200
        assert await house.call(handle) == (403, "task_revoked")
        assert await house.over(*open_.all) - began < SECOND
        assert await house.call(other) == (200, "")
        assert not any(going.task.done() for going in untouched.all)
        await ended(house, "global")
        await house.over(*untouched.all)

    scenario(tmp_path, story)


def test_an_agent_that_expires_is_cut_at_that_moment(tmp_path: Path) -> None:
    """The day ends while everything is going on: nothing passes on the next."""
    expires = datetime.now(UTC).date() + timedelta(days=1)
    midnight = datetime.combine(expires, datetime.min.time(), UTC).timestamp()
    zero = midnight - own_time() - 5.0  # however long others have the processor: nothing of that passes

    def clock() -> float:
        return zero + own_time()

    def expiring(inventory: str) -> str:
        return inventory.replace(TESTS, TESTS.replace("2099-01-01", str(expires), 1))

    async def story(house: EndingHouse) -> None:
        handle = await house.handle("other-bot")
        open_ = await house.open(handle)
        assert clock() < midnight, "it took too long to begin"
        last = await house.over(*open_.all)
        assert 0 <= zero + last - midnight < SECOND
        assert await house.call(handle) == (403, "agent_expired")

    scenario(tmp_path, story, clock=clock, edit=expiring)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("{id: olivia, name: Olivia Owens,", "{id: olivia, active: false, name: Olivia Owens,", "agent_owner_inactive"),
        ("{id: alice, name: Alice Archer,", "{id: alice, active: false, name: Alice Archer,", "principal_inactive"),
    ],
)
def test_a_person_who_leaves_takes_their_agents_along(tmp_path: Path, old: str, new: str, reason: str) -> None:
    """The owner, or whom the agent acts for, is set inactive in the inventory: cut and refused soon after."""

    async def story(house: EndingHouse) -> None:
        handle = await house.handle()
        open_ = await house.open(handle)
        file = tmp_path / "inventory" / "inventory.yaml"
        text = file.read_text()
        assert old in text
        began = own_time()
        file.write_text(text.replace(old, new))
        assert await house.over(*open_.calls) - began < SECOND
        assert await house.call(handle) == (403, reason)

    scenario(tmp_path, story)


def test_a_frozen_agent_asks_and_is_let_through_once(tmp_path: Path) -> None:
    """Streams are cut; a call waits for the owner, passes once approved, and the next one waits again."""

    async def story(house: EndingHouse) -> None:
        handle = await house.handle()
        open_ = await house.open(handle)
        began = own_time()
        assert (await ended(house, "agent:support-bot", "freeze"))["kind"] == "freeze"
        assert await house.over(*open_.calls) - began < SECOND
        assert await house.call(handle) == (428, "approval_pending")
        (view,) = await house.core.holds.list("pending")
        await house.core.holds.vote(
            view.id, "olivia", "approve", channel="test", assurance="session", now=house.core.clock()
        )
        assert await house.call(handle) == (200, "")
        assert await house.call(handle, "/v1/customers/other") == (428, "approval_pending")
        assert not open_.tunnel.task.done()  # nothing is under way there: a call may wait in it
        await ended(house, "agent:support-bot")
        assert await house.call(handle) == (403, "agent_revoked")
        await house.over(open_.tunnel)

    scenario(tmp_path, story)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes into the store, and does not end."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_the_kill_switch_works_while_the_store_is_locked(tmp_path: Path) -> None:
    """Everything is cut within a second of the command, which says that the store does not know; a restart knows."""

    async def story(house: EndingHouse) -> None:
        handle = await house.handle()
        open_ = await house.open(handle)
        with locked(tmp_path / "state" / "countersign.db"):
            began = own_time()
            command = asyncio.create_task(ended(house, "agent:support-bot"))
            assert await house.over(*open_.all) - began < SECOND
            done = await command
            assert (done["stored"], done["kept"]) == (False, True)
            assert (await house.control.get("/v1/revocations")).json()["revocations"][0]["stored"] is False

    async def restarted(house: EndingHouse) -> None:
        handle = await house.handle()
        assert await house.call(handle) == (403, "agent_revoked")
        await until(lambda: not house.core.revocations.unstored())
        assert [row.scope for row in await house.core.store.all_revocations()] == ["agent:support-bot"]

    scenario(tmp_path, story)
    scenario(tmp_path, restarted)


@pytest.mark.parametrize("way", ["kill switch", "given back"])
def test_what_was_exchanged_is_cut_with_the_token_that_it_came_from(tmp_path: Path, way: str) -> None:
    """A stream, a WebSocket, a tunnel under a token that was got for another one: within a second of that one's end."""

    async def story(house: EndingHouse) -> None:
        handle = await house.handle()
        task = {"actions": ["crm/*", "chat/*"], "datatypes": ["read:customers"], "purpose": "e2e"}
        wanted = json.dumps([{"type": "countersign_task", **task}])
        first = await token(house, handle, grant_type="client_credentials", authorization_details=wanted)
        kind = "urn:ietf:params:oauth:token-type:"
        exchange = {"grant_type": f"{kind.replace('token-type', 'grant-type')}token-exchange"}
        shown = {"subject_token": first, "subject_token_type": f"{kind}access_token"}
        second = await token(house, handle, **exchange, **shown, authorization_details=wanted)
        open_, other = await house.open(second), await house.open(handle)
        began = own_time()
        if way == "given back":
            await asked(house, handle, "revoke", token=first)
        else:
            await ended(house, f"token:{OURS}|{claims_of(first)['jti']}")
        assert await house.over(*open_.all) - began < SECOND
        for dead in (first, second):
            assert await house.call(dead) == (403, "token_revoked")
        assert await house.call(handle) == (200, "")
        assert not any(going.task.done() for going in other.all)
        await ended(house, "global")
        await house.over(*other.all)

    scenario(tmp_path, story, more=f"identity: {{token_issuer: {OURS}}}\n")


async def asked(house: EndingHouse, handle: str, path: str, **form: str) -> httpx.Response:
    """What our token server answers whoever shows this handle."""
    async with httpx.AsyncClient(base_url=f"{house.running.console}/oauth2", trust_env=False, timeout=20) as client:
        answer = await client.post(f"/{path}", data=form, headers={"authorization": f"Bearer {handle}"})
    assert answer.status_code == 200, answer.text
    return answer


async def token(house: EndingHouse, handle: str, **form: str) -> str:
    """A task token."""
    return str((await asked(house, handle, "token", **form)).json()["access_token"])
