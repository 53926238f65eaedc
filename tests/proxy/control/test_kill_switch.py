"""What may be stopped, what would die, and what stands, for one caller."""

import asyncio
from pathlib import Path

import pytest

from proxy.control.desk import Desk
from proxy.control.kill_switch import KINDS, MOST_COUNTED, KillSwitch
from proxy.control.responders import OWNERS_KINDS
from proxy.errors import Declined
from proxy.identity.interfaces import EVERY_HANDLE, HandleQuery, HandleRow
from proxy.storage.sqlite import SqliteStore
from proxy.tasks import scopes
from tests.fakes.control_house import House


async def desk(house: House, person: str) -> Desk:
    found = await house.door.with_session(await house.session(person))
    assert found is not None
    return found


def test_every_kind_of_scope_can_be_chosen() -> None:
    """A kind that is added later needs a place on the page."""
    assert sorted(KINDS) == sorted({"global", *scopes._KINDS})


def test_choices_are_what_the_caller_may_stop(tmp_path: Path) -> None:
    """An owner's agents, tasks and handles; for a responder everything that the inventory knows."""
    house = House(tmp_path, responders=frozenset({"soc"}))

    async def scenario() -> None:
        task = await house.begin()
        _, row = await house.handles.issue(
            agent="support-bot", purpose="x", ttl=60, issued_by="t", now=house.now, task=task.id
        )
        owner, responder = (await desk(house, "alice")).kill_switch, (await desk(house, "carol")).kill_switch
        assert (owner.kinds(), responder.kinds()) == (OWNERS_KINDS, KINDS)
        assert [[*await owner.choices(kind)] for kind in ("agent", "task", "handle", "team", "owner")] == [
            ["support-bot"], [task.id], [row.id], [], [],
        ]  # fmt: skip
        assert [await owner.able(), await responder.able()] == [True, True]
        assert not await (await desk(house, "frank")).kill_switch.able()
        assert [*await responder.choices("agent")] == ["builder", "stray", "support-bot"]
        assert [*await responder.choices("tool")] == ["payments/refund"]
        assert [*await responder.choices("service")] == ["payments"]
        assert [*await responder.choices("team")] == ["soc", "support"]
        assert "alice" in await responder.choices("owner")
        assert [*await responder.choices("class")] == ["privileged", "utility"]
        assert await responder.choices("token") == {}

    asyncio.run(scenario())
    house.close()


def test_a_task_without_a_handle_is_its_owners_to_stop(house: House) -> None:
    """A task is of its agent from the start, not only when somebody shows a handle under it."""

    async def scenario() -> None:
        task = await house.begin()
        other = await house.begin(agent="builder", by="person:bob")
        switch = (await desk(house, "alice")).kill_switch
        assert [*await switch.choices("task")] == [task.id]
        assert (await switch.preview(f"task:{task.id}")).reach.tasks == 1
        with pytest.raises(Declined):
            await switch.stop(f"task:{other.id}", "revoke", "x")
        await switch.stop(f"task:{task.id}", "revoke", "x")

    asyncio.run(scenario())


async def stands(switch: KillSwitch) -> list[tuple[str, bool]]:
    """The kinds of what stands, and whether this caller may lift each."""
    rows, more = await switch.standing(9, over=False)
    assert not more
    return [(one.row.kind, one.may_lift) for one in rows]


def test_looking_at_what_would_die_needs_the_right_to_end_it(house: House) -> None:
    """Refused in the same words, and nothing is recorded."""

    async def scenario() -> None:
        switch = (await desk(house, "alice")).kill_switch
        for scope, code in (("agent:builder", "not_yours"), ("agents:x", "scope_invalid"), ("global", "not_yours")):
            with pytest.raises(Declined) as refused:
                await switch.preview(scope)
            assert refused.value.code == code
        preview = await switch.preview("agent:support-bot")
        assert ([agent.id for agent in preview.reach.agents], preview.standing) == (["support-bot"], ())
        await switch.stop("agent:support-bot", "freeze", "odd")
        assert [row.kind for row in (await switch.preview("agent:support-bot")).standing] == ["freeze"]
        assert await stands(switch) == [("freeze", True)]
        assert await stands((await desk(house, "carol")).kill_switch) == [("freeze", False)]

    asyncio.run(scenario())


def test_the_page_reads_no_handle_that_is_over(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many handles there ever were: only live ones are asked for, and never more than a bound."""
    asked: list[HandleQuery] = []
    listed = SqliteStore.list_handles

    async def list_handles(store: SqliteStore, query: HandleQuery = EVERY_HANDLE) -> list[HandleRow]:
        asked.append(query)
        return await listed(store, query)

    monkeypatch.setattr(SqliteStore, "list_handles", list_handles)

    async def scenario() -> None:
        for agent in ("support-bot", "builder"):
            _, row = await house.handles.issue(agent=agent, purpose="x", ttl=60, issued_by="t", now=house.now - 100)
            await house.handles.revoke(row.id, by="t", reason="x", now=house.now)
        desk_of_alice = await desk(house, "alice")
        assert (await desk_of_alice.kill_switch.standing(9, over=True))[0]
        assert await desk_of_alice.kill_switch.choices("handle") == {}
        await desk_of_alice.kill_switch.able()
        await desk_of_alice.kill_switch.preview("agent:support-bot")

    asyncio.run(scenario())
    assert asked
    assert all(query.live_at is not None and query.limit <= MOST_COUNTED for query in asked)
