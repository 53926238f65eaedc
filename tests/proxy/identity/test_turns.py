"""Who has a turn, who waits, and who makes room."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.turns import Crowded, Turns


class Story:
    """Peers that take turns, each until it is told to leave."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.inside: list[str] = []
        self.leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str) -> None:
        """`name` is the peer, with a letter of its own at the end."""
        self.leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._take(name))
        await self.settle()

    async def go(self, name: str) -> None:
        self.leave[name].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def end(self) -> None:
        for event in self.leave.values():
            event.set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)
        assert not self.turns._running
        assert not self.turns._waiting

    async def _take(self, name: str) -> None:
        async with self.turns.of(name[:-1]):
            self.inside.append(name)
            try:
                await self.leave[name].wait()
            finally:
                self.inside.remove(name)

    def crowded(self) -> set[str]:
        return {
            name for name, task in self.tasks.items()
            if task.done() and not task.cancelled() and isinstance(task.exception(), Crowded)
        }  # fmt: skip


def play(turns: Turns, story: Callable[[Story], Awaitable[None]]) -> None:
    """The story, and everybody leaves in the end."""

    async def run() -> None:
        one = Story(turns)
        await story(one)
        await one.end()

    asyncio.run(run())


def test_one_peer_has_only_its_own_turns() -> None:
    """However many it wants, another one finds its turn free."""

    async def story(one: Story) -> None:
        for letter in "abcde":
            await one.come(f"busy{letter}")
        await one.come("calma")
        assert one.inside == ["busya", "busyb", "calma"]
        await one.go("busya")
        assert one.inside == ["busyb", "calma", "busyc"]

    play(Turns(4, 2, 10), story)


def test_who_has_fewest_turns_goes_first() -> None:
    """Whoever came before."""

    async def story(one: Story) -> None:
        for name in ("ax", "ay", "bx", "az", "cx"):
            await one.come(name)
        assert one.inside == ["ax", "ay", "bx"]
        await one.go("bx")
        assert one.inside == ["ax", "ay", "cx"]

    play(Turns(3, 3, 10), story)


def test_who_waits_most_makes_room() -> None:
    """For a newcomer that waits for less; and nobody for somebody who would then wait for more."""

    async def story(one: Story) -> None:
        for name in ("ax", "ay", "az", "bx"):
            await one.come(name)
        assert one.crowded() == {"az"}
        await one.come("by")
        await one.come("aw")
        assert one.crowded() == {"az", "by", "aw"}
        await one.go("ax")
        assert one.inside in (["ay"], ["bx"])

    play(Turns(1, 1, 2), story)


@pytest.mark.parametrize("given_first", [False, True])
def test_who_leaves_the_line_takes_no_turn_with_it(given_first: bool) -> None:
    """Whether the turn was given at that moment or not, the next one has it."""

    async def story(one: Story) -> None:
        for name in ("ax", "bx", "cx"):
            await one.come(name)
        if given_first:
            one.leave["ax"].set()
            await asyncio.sleep(0)
        one.tasks["bx"].cancel()
        await one.settle()
        await one.go("ax")
        assert one.inside == ["cx"]

    play(Turns(1, 1, 5), story)


@given(moves=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["come", "go", "cancel"])), max_size=40))
def test_bounds_always_hold(moves: list[tuple[str, str]]) -> None:
    """Never more at once than may be, of all and of each; nobody waits while there is a turn for it; none is lost."""

    async def story(one: Story) -> None:
        for number, (peer, move) in enumerate(moves):
            name = f"{peer}{chr(0x100 + number)}"
            if move == "come":
                await one.come(name)
            elif one.inside and move == "go":
                await one.go(one.inside[0])
            elif one.tasks:
                next(reversed(one.tasks.values())).cancel()
                await one.settle()
            running = {peer: sum(one.startswith(peer) for one in one.inside) for peer in "abc"}
            assert sum(running.values()) <= 3
            assert max(running.values()) <= 2
            waiting = one.turns._waiting
            assert sum(map(len, waiting.values())) <= 4
            assert sum(running.values()) == 3 or not any(running[peer] < 2 for peer in waiting)

    play(Turns(3, 2, 4), story)
