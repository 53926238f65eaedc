"""Obtained credentials. The life of one is in tests/conformance/credential_kind.py, by every kind that obtains."""

import asyncio
from typing import Any

import pytest

from proxy.credentials.held import HeldCredentials
from proxy.credentials.interfaces import Held
from proxy.credentials.references import unavailable
from proxy.errors import Refused
from proxy.facts import Obtained
from proxy.stages import Identity
from tests.fakes.delegations import NOW, caller
from tests.fakes.waiting import until

BINDING = Obtained(id="b", kind="vault", methods=("GET",), paths=("/*",))


class Source:
    """Gives out numbers for a hundred seconds, when it is let; remembers what it was told to end."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.ended: list[str] = []
        self.fails: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.life = 100.0
        self.asked: list[str] = []
        self.stuck = asyncio.Event()
        self.stuck.set()

    async def fetch(self, binding: Any, identity: Identity, now: float) -> Held[str]:
        await self.open.wait()
        if self.fails is not None:
            raise self.fails
        self.given.append(f"{identity.proven.task}#{len(self.given)}")
        return Held(self.given[-1], now, now + self.life, revocable=True)

    async def revoke(self, binding: Any, held: Held[str], now: float) -> None:
        self.asked.append(held.value)
        await self.stuck.wait()
        if self.fails is not None:
            raise self.fails
        self.ended.append(held.value)


def test_what_does_not_fit_is_ended() -> None:
    """The one that was not asked for longest makes room, and is ended at its source."""

    async def story() -> None:
        source, held = Source(), HeldCredentials(most=2)
        for task in ("a", "b", "a", "c"):
            await held.get(source, BINDING, caller(task=task), NOW)
        assert source.given == ["a#0", "b#1", "c#2"]
        await held.sweep(NOW, lambda *_: False)
        assert source.ended == ["b#1"]

    asyncio.run(story())


def test_what_arrives_after_it_was_forgotten_is_ended() -> None:
    """A fetch that comes in when its place is gone serves those who wait, and is then ended."""

    async def story() -> None:
        source, held = Source(), HeldCredentials(most=1)
        source.open.clear()
        first = asyncio.ensure_future(held.get(source, BINDING, caller(task="a"), NOW))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(held.get(source, BINDING, caller(task="b"), NOW))
        await asyncio.sleep(0)
        source.open.set()
        assert [(await first)[0], (await second)[0]] == ["a", "b"]
        await held.sweep(NOW, lambda *_: False)
        assert [value[0] for value in source.ended] == ["a"]

    asyncio.run(story())


def test_a_failed_renewal_refuses_nobody_who_has_one() -> None:
    """From 80 % on the old one serves while a new one fails; at its end, the failure is everybody's."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()

        def ask(now: float) -> Any:
            return held.get(source, BINDING, caller(), now)

        assert await ask(NOW) == "task_1#0"
        source.fails = unavailable("b", "down")
        assert await ask(NOW + 85) == "task_1#0"
        await until(lambda: len(asyncio.all_tasks()) == 1)
        assert await ask(NOW + 94) == "task_1#0"
        await until(lambda: len(asyncio.all_tasks()) == 1)
        with pytest.raises(Refused):
            await ask(NOW + 96)

    asyncio.run(story())


def test_what_has_expired_on_arrival_is_not_used() -> None:
    """A source that gives out what is over already has given nothing."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        source.life = 0
        with pytest.raises(Refused) as caught:
            await held.get(source, BINDING, caller(), NOW)
        assert caught.value.refusal.reason == "credential_unavailable"

    asyncio.run(story())


def test_a_source_of_expired_credentials_is_not_asked_by_every_call() -> None:
    """A clock that is wrong, ours or theirs, must not have each call take another one."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        source.life = 0
        for _ in range(3):
            with pytest.raises(Refused):
                await held.get(source, BINDING, caller(), NOW)
        assert len(source.given) == 1

    asyncio.run(story())


def test_what_a_service_does_not_take_is_obtained_anew() -> None:
    """For the next caller of the same delegation, once in a while; the old one is ended with its task."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()

        async def ask(now: float, task: str = "task_1") -> str:
            return await held.get(source, BINDING, caller(task=task), now)

        first, other = await ask(NOW), await ask(NOW, "task_2")
        held.doubt(BINDING, caller(), NOW + 29)
        assert await ask(NOW + 29) == first
        held.doubt(BINDING, caller(), NOW + 30)
        held.doubt(BINDING, caller(), NOW + 30)
        renewed = await ask(NOW + 30)
        assert renewed != first
        held.doubt(BINDING, caller(), NOW + 31)
        assert (await ask(NOW + 31), await ask(NOW + 31, "task_2")) == (renewed, other)
        await held.sweep(NOW + 31, lambda *_: False)
        assert source.ended == []
        await held.sweep(NOW + 31, lambda identity, _: identity.proven.task == "task_1")
        assert sorted(source.ended) == sorted([first, renewed])

    asyncio.run(story())


def test_doubt_about_what_nobody_holds_changes_nothing() -> None:
    """A binding of another delegation, or one whose credential is under way."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        held.doubt(BINDING, caller(), NOW)
        source.open.clear()
        under_way = asyncio.ensure_future(held.get(source, BINDING, caller(), NOW))
        await asyncio.sleep(0)
        held.doubt(BINDING, caller(), NOW + 50)
        source.open.set()
        assert await under_way == "task_1#0"

    asyncio.run(story())


def test_a_source_that_hangs_keeps_no_other_one_waiting() -> None:
    """The next sweep ends what others gave out and asks nothing twice; one that was cut off is made up for."""

    async def story() -> None:
        stuck, quick, held = Source(), Source(), HeldCredentials()
        other = Obtained(id="other", kind="vault", methods=("GET",), paths=("/*",))
        await held.get(stuck, BINDING, caller(), NOW)
        await held.get(quick, other, caller(), NOW)
        stuck.stuck.clear()
        first = asyncio.ensure_future(held.sweep(NOW, lambda *_: True))
        await until(lambda: bool(stuck.asked and quick.ended))
        await held.get(quick, other, caller(task="task_2"), NOW)
        await held.sweep(NOW + 1, lambda *_: True)
        assert (len(quick.ended), len(stuck.asked), stuck.ended) == (2, 1, [])
        first.cancel()
        await asyncio.wait([first])
        stuck.stuck.set()
        await held.close(NOW + 2)
        assert stuck.ended == ["task_1#0"]

    asyncio.run(story())


def test_a_bug_in_a_source_reaches_its_callers() -> None:
    """Anything but a refusal is raised as it is, for the boundary to refuse; the next call asks again."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        source.fails = ZeroDivisionError()
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await held.get(source, BINDING, caller(), NOW)
        source.fails = None
        assert await held.get(source, BINDING, caller(), NOW)

    asyncio.run(story())


def test_a_longer_identity_keeps_the_credential() -> None:
    """Of two handles for one task the longer one counts: the credential ends with the last of them."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        await held.get(source, BINDING, caller(not_after=NOW + 10), NOW)
        await held.get(source, BINDING, caller(not_after=NOW + 50), NOW)
        await held.sweep(NOW + 11, lambda *_: False)
        assert source.ended == []
        await held.sweep(NOW + 50, lambda *_: False)
        assert source.ended == ["task_1#0"]

    asyncio.run(story())


def test_what_expired_is_not_ended_again() -> None:
    """Its source has forgotten it already."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        await held.get(source, BINDING, caller(), NOW)
        await held.sweep(NOW + 101, lambda *_: True)
        assert source.ended == []

    asyncio.run(story())


def test_the_close_waits_for_what_is_under_way_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A credential that comes in while we close is ended; a source that hangs does not hold the process."""

    async def story() -> None:
        source, held = Source(), HeldCredentials()
        source.open.clear()
        asking = asyncio.ensure_future(held.get(source, BINDING, caller(), NOW))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(held.close(NOW))
        await asyncio.sleep(0)
        source.open.set()
        await closing
        assert source.ended == [await asking]

        monkeypatch.setattr("proxy.credentials.held.CLOSE_WITHIN_SECONDS", 0.01)
        source.open.clear()
        hanging = asyncio.ensure_future(held.get(source, BINDING, caller(), NOW))
        await asyncio.sleep(0)
        await held.close(NOW)
        assert "could not be ended in time" in caplog.text
        hanging.cancel()

    asyncio.run(story())
