"""Word of revocations: fresh or not, and never lost."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from proxy.errors import StoreUnavailable
from proxy.tasks.feed import EVERY, RevocationFeed
from proxy.tasks.interfaces import Revocation
from tests.fakes.stores import MemoryRevocationStore
from tests.fakes.waiting import until

SCOPES = ("global", "agent:a")
REVOKED = Revocation("agent:a", 100.0, "person:bob", "why")


def run(story: Callable[[], Awaitable[None]]) -> None:
    """One event loop for one story."""

    async def main() -> None:
        await story()

    asyncio.run(main())


def test_a_feed_that_never_heard_is_stale() -> None:
    """Before the first poll nothing may pass."""
    feed = RevocationFeed(MemoryRevocationStore())
    assert feed.stale_for(0.0) == float("inf")
    assert feed.standing(0.0) == "stale"


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        (1000.0, "fresh"), (1001.0, "fresh"), (1001.1, "degraded"), (1005.0, "degraded"), (1005.1, "stale"),
        (998.0, "degraded"), (900.0, "stale"), (float("nan"), "stale"),
    ],
)  # fmt: skip
def test_word_ages(now: float, standing: str) -> None:
    """Fresh for a second, degraded for five, then stale; a clock that jumps back is not trusted either."""

    async def story() -> None:
        feed = RevocationFeed(MemoryRevocationStore())
        await feed.poll(1000.0)
        assert feed.standing(now) == standing

    run(story)


def test_a_poll_hears_other_processes() -> None:
    """What another process wrote is in force after the next poll, and those who asked are told once."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        told: list[float] = []
        await feed.poll(1000.0)
        feed.on_change(lambda: told.append(1))
        await feed.poll(1000.05)
        assert (feed.epochs.dead(SCOPES, 50.0), told) == (None, [])
        await store.put_revocation(REVOKED)
        await feed.poll(1000.1)
        assert (feed.epochs.dead(SCOPES, 50.0), told) == (REVOKED, [1])
        await store.lift_revocation("agent:a")
        await feed.poll(1000.15)
        assert (feed.epochs.dead(SCOPES, 50.0), told) == (None, [1, 1])

    run(story)


def test_a_failing_store_makes_the_feed_stale() -> None:
    """A poll that fails keeps what is known in force, is no fresher, and is tried again."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        await store.put_revocation(REVOKED)
        await feed.poll(1000.0)
        store.failing = True
        with pytest.raises(StoreUnavailable):
            await feed.poll(1004.0)
        await feed.poll_once(1006.0)
        assert feed.standing(1006.0) == "stale"
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED
        store.failing = False
        await feed.poll_once(1006.1)
        assert feed.standing(1006.1) == "fresh"

    run(story)


def test_rows_that_could_not_be_read_are_read_again() -> None:
    """If the store fails between the token and the rows, the change is not taken for heard."""

    class Torn(MemoryRevocationStore):
        torn = True

        async def all_revocations(self) -> list[Revocation]:
            if self.torn:
                raise StoreUnavailable("torn")
            return await super().all_revocations()

    async def story() -> None:
        store = Torn()
        feed = RevocationFeed(store)
        await store.put_revocation(REVOKED)
        with pytest.raises(StoreUnavailable):
            await feed.poll(1000.0)
        store.torn = False
        await feed.poll(1000.05)
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED

    run(story)


def test_a_revocation_during_a_poll_is_not_lost() -> None:
    """Rows read before a revocation was put in force here do not undo it."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)

        def meanwhile() -> None:  # after the rows were copied: durable, then in force, as the service does it
            store.by_kind["agent:a", "revoke"] = REVOKED
            feed.apply(REVOKED)  # and the token does not move, as for a write by the polling connection itself

        store.before_rows = meanwhile
        await feed.poll(1000.0)
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED

    run(story)


def test_what_the_store_lacks_outlasts_every_poll() -> None:
    """Held here, it is in force through polls that do not find it; once stored, it is lifted like any other."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        feed.hold(REVOKED)
        feed.hold(Revocation("agent:a", 200.0, "person:eve", "look", "freeze"))  # which is less
        for moment in (1000.0, 1000.05):
            await store.put_revocation(Revocation("agent:b", moment, "x", "another change"))
            await feed.poll(moment)
            assert feed.epochs.dead(SCOPES, 50.0) == REVOKED
        await store.put_revocation(REVOKED)
        feed.stored(REVOKED)
        await feed.poll(1000.1)
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED
        await store.lift_revocation("agent:a")
        await feed.poll(1000.15)
        assert feed.epochs.dead(SCOPES, 50.0) is None

    run(story)


def test_rows_from_before_it_was_stored_do_not_undo_it() -> None:
    """It is stored while a poll has rows in hand that lack it: they are read again."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        feed.hold(REVOKED)

        def meanwhile() -> None:
            store.by_kind["agent:a", "revoke"] = REVOKED
            feed.stored(REVOKED)

        store.before_rows = meanwhile
        await feed.poll(1000.0)
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED

    run(story)


def test_the_loop_polls_for_ever() -> None:
    """The loop polls every 50 ms by the clock it is given, and outlives a failing store."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        slept: list[float] = []

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            store.failing = len(slept) == 2
            if len(slept) == 4:
                raise asyncio.CancelledError

        times = iter([1000.0, 1001.0, 1002.0, 1003.0])
        with pytest.raises(asyncio.CancelledError):
            await feed.run(lambda: next(times), sleep)
        assert slept == [EVERY] * 4
        assert feed.standing(1003.0) == "fresh"

    run(story)


def test_what_else_is_to_be_heard_counts_as_much() -> None:
    """Awaited with every change, before it counts as heard; while it fails, the feed ages, and it is tried again."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        heard: list[str] = []
        down = [False]

        async def hear() -> None:
            if down[0]:
                raise StoreUnavailable("half a store")
            heard.append("once")

        feed.also_hear(hear)
        await feed.poll(1000.0)
        await feed.poll(1000.05)
        assert heard == ["once"]
        down[0] = True
        await store.put_revocation(REVOKED)
        for now in (1000.1, 1003.0):
            with pytest.raises(StoreUnavailable):
                await feed.poll(now)
        assert feed.standing(1003.0) == "degraded"
        down[0] = False
        await feed.poll(1003.1)
        assert (heard, feed.standing(1003.1)) == (["once", "once"], "fresh")
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED

    run(story)


def test_other_commits_cost_no_reading_of_revocations() -> None:
    """Who asked for every change is told; the rows are not read again, and what is remembered of them is kept."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        await store.put_revocation(REVOKED)
        await feed.poll(1000.0)
        told: list[str] = []
        feed.on_change(lambda: told.append("change"))
        feed.on_standing(lambda: told.append("standing"))
        store.others += 1
        await feed.poll(1000.05)
        assert (store.reads, told) == (1, ["change"])
        assert feed.epochs.dead(SCOPES, 50.0) == REVOKED
        await store.lift_revocation(REVOKED.scope)
        await feed.poll(1000.1)
        assert (store.reads, told) == (2, ["change", "standing", "change"])
        assert feed.epochs.dead(SCOPES, 50.0) is None

    run(story)


def test_the_next_poll_is_one_that_begins_after_it_was_waited_for() -> None:
    """What a poll under way has read does not count; one that fails ends the wait as well, and so does the end."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        await feed.next_poll()  # nobody polls: there is nothing to wait for
        now, begun, go_on = [1000.0], [0], asyncio.Event()

        async def hear() -> None:
            begun[0] += 1
            if begun[0] == 1:
                await go_on.wait()

        async def turn(_: float) -> None:
            store.others += 1
            await asyncio.sleep(0)

        feed.also_hear(hear)
        running = asyncio.create_task(feed.run(lambda: now[0], turn))
        await until(lambda: begun[0] == 1)
        now[0] = 1003.0  # the process stood still
        waiting = asyncio.create_task(feed.next_poll())
        await asyncio.sleep(0)
        go_on.set()
        await waiting
        assert (feed.standing(now[0]), begun[0] >= 2) == ("fresh", True)
        store.failing, now[0] = True, 1005.0
        await feed.next_poll()
        assert feed.standing(now[0]) == "degraded"
        last = asyncio.create_task(feed.next_poll())
        await asyncio.sleep(0)
        running.cancel()
        await last

    run(story)


def test_only_what_is_new_is_read() -> None:
    """A house has thousands: they are read once, and again only where something was lifted, or put twice."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        await store.put_revocation(REVOKED)
        await feed.poll(1000.0)
        later, other = replace(REVOKED, at=200.0), replace(REVOKED, scope="agent:b")
        for puts, lifts, reads in (
            ([later], [], 1),
            ([other, replace(REVOKED, scope="agent:c")], [], 1),
            ([replace(REVOKED, kind="freeze")], [], 1),
            ([], ["agent:b"], 2),
            ([other], ["agent:b"], 3),
            ([other, other], [], 4),
            ([other], ["agent:c"], 5),
        ):
            for one in puts:
                await store.put_revocation(one)
            for scope in lifts:
                await store.lift_revocation(scope)
            await feed.poll(1000.0)
            assert store.reads == reads
            assert set(feed.epochs.rows) == set(store.by_kind.values())

    run(story)


def test_what_is_put_while_the_new_is_read_is_read_next() -> None:
    """By another process, between the count and the rows: a little later, and never lost."""

    async def story() -> None:
        store = MemoryRevocationStore()
        feed = RevocationFeed(store)
        await feed.poll(1000.0)
        other = replace(REVOKED, scope="agent:b")

        def put() -> None:
            store.by_kind[other.scope, other.kind] = other
            store.changes.append(other.scope)
            store.put_at[other.scope, other.kind] = len(store.changes)

        await store.put_revocation(REVOKED)
        store.before_rows = put
        await feed.poll(1000.1)
        await feed.poll(1000.2)
        assert set(feed.epochs.rows) == {REVOKED, other}

    run(story)
