"""News of holds and calls, as it happens, for those who may know."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from proxy.control import events
from proxy.control.desk import Desk
from proxy.control.events import MAX_LISTENERS, Event
from proxy.errors import Declined, StoreUnavailable
from proxy.holds.view import HoldView
from telemetry.errors import AuditUnavailable
from tests.fakes.control_house import House
from tests.fakes.waiting import PATIENCE


async def desk(house: House, person: str) -> Desk:
    found = await house.door.with_session(await house.session(person))
    assert found is not None
    return found


async def following(house: House, person: str, last_id: str = "") -> AsyncGenerator[Event | None]:
    """A stream that already listens: its first heartbeat has passed."""
    stream = (await desk(house, person)).subscription.events(last_id)
    assert await anext(stream) is None
    return stream


async def news(stream: AsyncGenerator[Event | None]) -> Event:
    async with asyncio.timeout(PATIENCE):
        while (event := await anext(stream)) is None:
            pass
        return event


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)


def test_a_hold_is_told_from_its_making_to_its_end(house: House) -> None:
    """Created, updated by a first vote, closed by a denial: three events, in order."""

    async def scenario() -> None:
        stream = await following(house, "alice")
        view = await house.hold(roles=(("owner",), ("person:bob",)))
        told = [await news(stream)]
        for person, decision in (("alice", "approve"), ("bob", "deny")):
            now = await house.holds.get(view.id)
            await house.holds.vote(
                view.id, person, decision, reason="x", row_version=now.row_version,  # type: ignore[arg-type]  # a literal
                action_digest=now.action_digest, channel="api", assurance="token", now=house.now,
            )  # fmt: skip
            told.append(await news(stream))
        assert [event.type for event in told] == ["hold.created", "hold.updated", "hold.closed"]
        await stream.aclose()

    asyncio.run(scenario())


def test_nobody_hears_of_what_they_may_not_see(house: House) -> None:
    """Bob hears of his agent's call, not of the hold and calls of Alice's agent."""

    async def scenario() -> None:
        stream = await following(house, "bob")
        await house.hold()
        await house.tell_calls()
        event = await news(stream)
        assert event.type == "call.changed"
        assert isinstance(event.subject, dict)
        assert event.subject["call"] == "call_3"
        assert await anext(stream) is None
        await stream.aclose()

    asyncio.run(scenario())


def test_those_who_come_at_once_share_one_look_that_ends_with_the_last(house: House) -> None:
    """However many begin to listen in one moment, nothing goes on looking when they have left."""

    async def scenario() -> None:
        async def listen() -> None:
            async with house.feed.listening():
                await together.wait()

        together = asyncio.Barrier(5)
        await asyncio.gather(*(listen() for _ in range(5)))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_who_cannot_begin_to_listen_takes_up_no_place(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is down each attempt fails by itself; afterwards there is room for all."""

    async def down(_: object) -> list[HoldView]:
        raise StoreUnavailable("down")

    async def scenario() -> None:
        with monkeypatch.context() as broken:
            broken.setattr(house.holds, "list", down)
            for _ in range(MAX_LISTENERS + 1):
                with pytest.raises(StoreUnavailable):
                    await house.feed.listening().__aenter__()
        async with house.feed.listening():
            pass

    asyncio.run(scenario())


def test_a_listener_goes_on_where_it_stopped(house: House) -> None:
    """With the last id nothing is missed, also what happened while nobody listened."""

    async def scenario() -> None:
        stream = await following(house, "alice")
        await house.hold({"amount": 1})
        last = await news(stream)
        await stream.aclose()
        second = await house.hold({"amount": 2})
        again = (await desk(house, "alice")).subscription.events(last.id)
        event = await news(again)
        assert event.subject is not None
        assert getattr(event.subject, "id", "") == second.id
        await again.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize("last_id", ["other-3", "x", "-", "another-run-1", "9" * 40])
def test_an_id_that_is_not_ours_asks_for_a_fresh_look(house: House, last_id: str) -> None:
    """After a restart, or with an odd id, the page is told to look at everything anew."""

    async def scenario() -> None:
        stream = (await desk(house, "alice")).subscription.events(last_id)
        event = await anext(stream)
        assert event is not None
        assert event.type == "resync"
        await stream.aclose()

    asyncio.run(scenario())


def test_nobody_looks_while_nobody_listens(house: House) -> None:
    """The last listener who leaves ends the looking, and there are only so many."""

    async def scenario() -> None:
        stream = await following(house, "alice")
        looking = house.feed._looking
        assert looking is not None
        await stream.aclose()
        assert looking.done()  # a loop may close after this, and leave nothing pending
        assert house.feed._looking is None
        house.feed._listeners = MAX_LISTENERS
        with pytest.raises(Declined):
            await anext((await desk(house, "alice")).subscription.events())

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "error", [AuditUnavailable("away"), StoreUnavailable("down"), OSError("no"), ValueError("bug")]
)
def test_a_store_that_fails_for_a_while_does_not_end_the_stream(
    house: House, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The next look that succeeds tells what happened meanwhile; the log has one line when it began, one at the end."""

    async def scenario() -> None:
        stream = await following(house, "alice")
        working, tries = house.log.recent, 0

        async def failing(count: int) -> list[dict[str, object]]:
            nonlocal tries
            tries += 1
            if tries > 3:
                house.log.recent = working  # type: ignore[method-assign]  # it works again
                return await working(count)
            raise error

        house.log.recent = failing  # type: ignore[method-assign]  # fails three times
        await house.hold()
        assert (await news(stream)).type == "hold.created"
        await stream.aclose()

    asyncio.run(scenario())
    assert caplog.text.count("cannot look for changes") == 1
    assert caplog.text.count("changes are seen again") == 1


def test_a_look_that_has_ended_is_begun_again(house: House) -> None:
    """Should nobody look any more though somebody listens, the next listener begins to."""

    async def scenario() -> None:
        first = await following(house, "alice")
        assert house.feed._looking is not None
        house.feed._looking.cancel()
        await asyncio.gather(house.feed._looking, return_exceptions=True)
        second = await following(house, "alice")
        await house.hold()
        assert (await news(second)).type == (await news(first)).type == "hold.created"
        await first.aclose()
        await second.aclose()

    asyncio.run(scenario())
