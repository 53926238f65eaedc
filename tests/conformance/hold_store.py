"""What every HoldStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.holds.interfaces import HoldLimits, HoldQuery, HoldStore, LimitReached, NewHold
from proxy.holds.machine import apply
from proxy.holds.model import ActionKey, Attempt, Event, Hold, State, Transition, Vote
from proxy.holds.moves import GiveBack, Invalidate, MarkSent, Reserve, Tick
from tests.fakes.held_calls import NOW, TWO_SIGN, hold

LIMITS = HoldLimits(10, 100)


def new(of: Hold, *scopes: str) -> NewHold:
    return NewHold(of, b"sealed " + of.id.encode(), scopes, {"call": "call_1"})


def other_key(of: Hold, name: str, agent: str = "refunds") -> ActionKey:
    return replace(of.key, action_digest=f"sha256:{name}", agent=agent)


def change(before: Hold, **changes: object) -> Transition:
    return Transition(before, replace(before, **changes), (Event("hold.changed", "proxy", NOW, {"n": [1, "x"]}),))


class HoldStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[HoldStore]: ...

    def test_a_hold_comes_back_as_it_went_in(self, tmp_path: Path) -> None:
        """A hold, its votes, attempts and sealed card are read back in every field, also after a restart."""
        vote = Vote("olga", "approve", NOW + 1, "fine", ("owner", "team:x"), "cli", "mfa", "sha256:a", "sha256:b")
        attempt = Attempt("att_1", "gate-0", "call_1", NOW + 2, "sent", NOW + 3, None, 0, "")
        made = hold(
            requirement=replace(TWO_SIGN, reasons=("r",), rules=("x", "y"), rollback="undo"),
            datasets=("a", "b"),
            instance="blue",
        )

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.create_hold(new(made), LIMITS) == made
                step = change(
                    made, state=State.RELEASING, use_by=NOW + 9, votes=(vote,), attempts=(attempt,), owner="nora"
                )
                moved = await store.apply_transition(step)
                assert moved == replace(step.after, row_version=2)
            async with self.opened(tmp_path) as again:
                assert await again.load_hold(made.id) == moved
                assert await again.sealed_cards([made.id, "hld_0"]) == {made.id: b"sealed " + made.id.encode()}
                assert await again.load_hold("hld_0") is None
                assert await again.sealed_cards([]) == {}

        asyncio.run(story())

    def test_one_action_has_one_open_hold(self, tmp_path: Path) -> None:
        """Of twenty that are created at once in two processes, one is stored, and all get that one."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                twenty = [where.create_hold(new(hold()), LIMITS) for where in (store, other) * 10]
                got = {of.id for of in await asyncio.gather(*twenty) if isinstance(of, Hold)}
                assert len(got) == 1
                assert [of.id for of in await store.list_holds(HoldQuery())] == list(got)

        asyncio.run(story())

    def test_an_ended_hold_makes_room_for_a_new_one(self, tmp_path: Path) -> None:
        """The newest hold of an action is found, and the open one before any other."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                first, second = hold(), hold(created_at=NOW + 1)
                await store.create_hold(new(first), LIMITS)
                await store.apply_transition(apply(first, Invalidate("x"), NOW))
                assert (await store.latest_hold(first.key)) is not None
                assert await store.create_hold(new(second), LIMITS) == second
                assert await store.latest_hold(first.key) == second
                assert await store.latest_hold(other_key(first, "other")) is None

        asyncio.run(story())

    def test_only_one_of_two_transitions_from_the_same_place_happens(self, tmp_path: Path) -> None:
        """The second writer of the same row version gets None, and none of its events is there."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                made = hold()
                await store.create_hold(new(made), LIMITS)
                steps = [
                    where.apply_transition(change(made, closed_text=name))
                    for where, name in ((store, "a"), (other, "b"))
                ]
                done = [of for of in await asyncio.gather(*steps) if of is not None]
                assert len(done) == 1
                assert await store.load_hold(made.id) == done[0]
                events = await store.unrecorded_events(made.id, NOW)
                assert [event.type for event in events] == ["hold.created", "hold.changed"]

        asyncio.run(story())

    def test_a_second_live_attempt_cannot_be_stored(self, tmp_path: Path) -> None:
        """Whatever the code above believes, the store keeps one use of an approval one."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                made = hold()
                await store.create_hold(new(made), LIMITS)
                one = Attempt("att_1", "gate-0", "call_1", NOW, "finished", NOW, NOW, 200)
                kept = await store.apply_transition(change(made, attempts=(one,)))
                assert kept is not None
                twice = (one, Attempt("att_2", "gate-0", "call_2", NOW))
                with pytest.raises(StoreUnavailable):
                    await store.apply_transition(change(kept, attempts=twice))
                assert await store.load_hold(made.id) == kept

        asyncio.run(story())

    def test_an_agent_cannot_ask_without_end(self, tmp_path: Path) -> None:
        """At a limit nothing is created; overdue holds and other agents do not count; joining is free."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                first = hold(created_at=NOW - 1000, decide_by=NOW - 100)
                second = hold(key=other_key(first, "2"))
                await store.create_hold(new(first), LIMITS)
                await store.create_hold(new(second), LIMITS)
                third = hold(key=other_key(first, "3"))
                assert await store.create_hold(new(third), HoldLimits(1, 100)) == LimitReached("open_per_agent", 1)
                assert await store.create_hold(new(third), HoldLimits(9, 1)) == LimitReached("new_per_minute", 1)
                assert await store.load_hold(third.id) is None
                again = hold(key=second.key)
                assert await store.create_hold(new(again), HoldLimits(1, 1)) == second
                stranger = hold(key=other_key(first, "3", "other"))
                assert await store.create_hold(new(stranger), HoldLimits(1, 1)) == stranger

        asyncio.run(story())

    def test_events_wait_until_they_are_recorded(self, tmp_path: Path) -> None:
        """Unrecorded events come in order, until each is marked; young ones may be left out."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                made = hold()
                await store.create_hold(new(made), LIMITS)
                await store.apply_transition(change(made, closed_text="a"))
                created, changed = await store.unrecorded_events(None, NOW)
                assert (created.actor, dict(created.data)) == ("agent:refunds", {"call": "call_1"})
                assert (changed.type, dict(changed.data), changed.hold.closed_text) == (
                    "hold.changed",
                    {"n": [1, "x"]},
                    "a",
                )
                assert await store.unrecorded_events("hld_0", NOW) == []
                assert await store.unrecorded_events(None, NOW - 1) == []
                await store.mark_recorded({created.seq: 7})
                assert [event.id for event in await store.unrecorded_events(made.id, NOW)] == [changed.id]

        asyncio.run(story())

    def test_changes_are_told_by_number(self, tmp_path: Path) -> None:
        """Whoever remembers the last number learns which holds changed since, by any process."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                one, two = hold(), hold(key=other_key(hold(), "2"))
                await store.create_hold(new(one), LIMITS)
                seen, none = await other.hold_changes(None)
                assert none == frozenset()
                assert await other.hold_changes(seen) == (seen, frozenset())
                await store.create_hold(new(two), LIMITS)
                newer, changed = await other.hold_changes(seen)
                assert newer > seen
                assert changed == {two.id}

        asyncio.run(story())

    def test_what_ends_with_a_revoked_scope_is_found(self, tmp_path: Path) -> None:
        """Open holds under any of the scopes, once each; ended ones and others are left out."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                one, two, gone = (hold(key=other_key(hold(), name)) for name in "123")
                await store.create_hold(new(one, "agent:refunds", "task:1"), LIMITS)
                await store.create_hold(new(two, "agent:other"), LIMITS)
                await store.create_hold(new(gone, "agent:refunds"), LIMITS)
                await store.apply_transition(apply(gone, Invalidate("x"), NOW))
                assert await store.holds_under(("agent:refunds", "task:1")) == [one]
                assert await store.holds_under(("task:9",)) == []
                assert await store.holds_under(()) == []
                assert await store.scopes_of_open_holds() == {"agent:refunds", "task:1", "agent:other"}

        asyncio.run(story())

    def test_what_is_in_flight_is_found(self, tmp_path: Path) -> None:
        """Every attempt of one node, and anyone's that is older than the two times."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                reserved = await self.released(store, "1", "gate-0")
                sent = await self.released(store, "2", "gate-1", sent_at=NOW + 5)
                back = await self.released(store, "3", "gate-0")
                await store.apply_transition(apply(back, GiveBack("att_3", "x"), NOW))
                assert await store.holds_in_flight(None, NOW, NOW) == []
                assert await store.holds_in_flight("gate-0", NOW, NOW) == [reserved]
                assert await store.holds_in_flight("gate-1", NOW, NOW) == [sent]
                assert await store.holds_in_flight(None, NOW + 1, NOW) == [reserved]
                assert await store.holds_in_flight(None, NOW, NOW + 6) == [sent]

        asyncio.run(story())

    async def released(self, store: HoldStore, name: str, node: str, sent_at: float | None = None) -> Hold:
        made = hold(key=other_key(hold(), name), state=State.APPROVED, use_by=NOW + 600)
        await store.create_hold(new(made), LIMITS)
        moved = await store.apply_transition(apply(made, Reserve(f"att_{name}", node, "call"), NOW))
        if moved is not None and sent_at is not None:
            moved = await store.apply_transition(apply(moved, MarkSent(f"att_{name}"), sent_at))
        assert moved is not None
        return moved

    def test_overdue_and_states_can_be_listed(self, tmp_path: Path) -> None:
        """A list is newest first, by state, by a clock that ran out, and no longer than asked."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                one = hold(key=other_key(hold(), "1"))
                two = hold(key=other_key(hold(), "2"), state=State.APPROVED, use_by=NOW + 50, created_at=NOW + 1)
                await store.create_hold(new(one), LIMITS)
                await store.create_hold(new(two), LIMITS)
                assert await store.list_holds(HoldQuery()) == [two, one]
                assert await store.list_holds(HoldQuery(limit=1)) == [two]
                assert await store.list_holds(HoldQuery(frozenset({State.PENDING}))) == [one]
                assert await store.list_holds(HoldQuery(overdue_at=NOW + 51)) == [two]
                assert await store.list_holds(HoldQuery(overdue_at=NOW + 901)) == [two, one]

        asyncio.run(story())

    def test_endings_are_remembered(self, tmp_path: Path) -> None:
        """A denial is found for its task and time only, an execution for its action; an end is told once."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                denied = hold(state=State.DENIED, closed_at=NOW, closed_reason="denied")
                done = hold(key=other_key(denied, "2"), state=State.EXECUTED, closed_at=NOW)
                await store.create_hold(new(denied), LIMITS)
                await store.create_hold(new(done), LIMITS)
                assert await store.last_denial(denied.key, "task_1", NOW - 1) == denied
                assert await store.last_denial(denied.key, "task_1", NOW) is None
                assert await store.last_denial(denied.key, "task_2", NOW - 1) is None
                assert await store.last_executed(done.key) == done
                assert await store.last_executed(denied.key) is None
                assert await store.mark_told(denied.id, NOW) is True
                assert await store.mark_told(denied.id, NOW) is False
                assert await store.mark_told("hld_0", NOW) is False

        asyncio.run(story())

    def test_a_transition_by_time_is_stored_like_any_other(self, tmp_path: Path) -> None:
        """An expired hold is expired for whoever reads it next."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                made = hold()
                await store.create_hold(new(made), LIMITS)
                await store.apply_transition(apply(made, Tick(), NOW + 901))
                read = await other.load_hold(made.id)
                assert read is not None
                assert (read.state, read.closed_at) == (State.EXPIRED, made.decide_by)

        asyncio.run(story())
