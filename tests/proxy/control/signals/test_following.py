"""From an end to the lines of those who are told."""

import asyncio
import contextlib
from dataclasses import replace

import pytest

from proxy.control.signals.following import Teller
from proxy.control.signals.model import Receiver
from proxy.control.signals.telling import Author
from proxy.errors import StoreUnavailable
from proxy.facts import Inventory
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.epochs import Epochs
from proxy.tasks.interfaces import Revocation

NOBODY = Inventory(version="1", people={}, teams={}, agents={}, services={}, datasets={})
ENDED = Revocation("agent:a", 10.0, "operator", "x")


async def no_task(_):
    return None


class Line:
    """A teller over a real store, two receivers, and what is in force."""

    def __init__(self, folder):
        self.store = SqliteStore.open(folder / "s.db")
        self.in_force = []
        self.woken = 0
        self.outbox = self.store
        self.again()

    def again(self):
        """As after a restart."""
        kinds = frozenset({"agent"})
        self.teller = Teller(
            Author("https://gov.example", lambda: NOBODY, no_task),
            [Receiver("one", "1", kinds=kinds), Receiver("two", "2", kinds=kinds)],
            self,
            epochs=lambda: Epochs(self.in_force),
            clock=lambda: 20.0,
            wake=self._wake,
        )

    def _wake(self):
        self.woken += 1

    def __getattr__(self, name):
        return getattr(self.outbox, name)

    async def follow(self):
        self.teller.changed()
        await self.teller.follow()

    async def lines(self):
        return [len(await self.store.outgoing(name, 10)) for name in ("one", "two")]


@contextlib.contextmanager
def line(folder):
    made = Line(folder)
    try:
        yield made
    finally:
        made.store.close()


def test_each_receiver_is_told_of_each_end_once(tmp_path):
    """However often something else changes, and after a restart; a later end of the same is told anew."""

    async def main():
        with line(tmp_path) as one:
            await one.follow()
            assert (await one.lines(), one.woken) == ([0, 0], 0)
            one.in_force = [ENDED, Revocation("handle:h", 10.0, "operator", "x")]
            await one.follow()
            await one.follow()
            assert (await one.lines(), one.woken) == ([1, 1], 1)
            one.again()
            await one.follow()
            assert await one.lines() == [1, 1]
            one.in_force = [Revocation("agent:a", 11.0, "operator", "x")]
            await one.follow()
            assert await one.lines() == [2, 2]

    asyncio.run(main())


def test_what_was_ended_and_not_put_in_line_is_at_the_start(tmp_path):
    """The process died between the two, or a receiver is new."""

    async def main():
        with line(tmp_path) as one:
            one.in_force = [ENDED]
            await one.teller.follow()  # nobody says that something changed
            assert await one.lines() == [1, 1]

    asyncio.run(main())


class Down:
    def __getattr__(self, name):
        async def fail(*_):
            raise StoreUnavailable("down")

        return fail


def test_what_cannot_be_put_in_line_is_put_there_later(tmp_path):
    """A store that is down loses nothing, and the next try needs no further change."""

    async def main():
        with line(tmp_path) as one:
            one.in_force, one.outbox = [ENDED], Down()
            with pytest.raises(StoreUnavailable):
                await one.follow()
            one.outbox = one.store
            await one.teller.follow()
            assert await one.lines() == [1, 1]

    asyncio.run(main())


def test_what_is_lifted_is_forgotten_and_told_if_it_ends_again(tmp_path):
    """The memory does not grow for ever."""

    async def main():
        with line(tmp_path) as one:
            one.in_force = [ENDED]
            await one.follow()
            await one.teller.tidy()
            assert await one.store.told("one") == {"agent:a": 10.0}
            one.in_force = [replace(ENDED, kind="freeze")]  # it stands, and was never told
            await one.follow()
            await one.teller.tidy()
            assert await one.store.told("one") == {}
            one.in_force = [ENDED]
            await one.follow()
            assert await one.lines() == [2, 2]

    asyncio.run(main())
