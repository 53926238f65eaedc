"""Waiting for so long and no longer."""

import asyncio
from collections.abc import Callable
from contextvars import Context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.patience import Patience


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to whatever is due next, instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers = 0

    def time(self) -> float:
        return self.now

    def call_at[*A](
        self, when: float, callback: Callable[[*A], object], *args: *A, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]  # where asyncio keeps what it is to do
            self.now = max(self.now, self._scheduled[0]._when)  # type: ignore[attr-defined]  # the same
        super()._run_once()  # type: ignore[misc]  # the same


class House:
    """Who was given up, and when."""

    def __init__(self, within: float = 2.0) -> None:
        self.late: list[tuple[str, float]] = []
        self.patience: Patience[str] = Patience(within, self.give_up)

    def give_up(self, one: str) -> None:
        self.late.append((one, asyncio.get_running_loop().time()))


def run(main: Callable[[], object]) -> Loop:
    """Runs this in a loop of its own, which is then closed."""
    made: list[Loop] = []

    def make() -> Loop:
        made.append(Loop())
        return made[-1]

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())  # type: ignore[arg-type]  # every `main` here is a coroutine function
    return made[0]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([0, 1, 3, 9])), max_size=20))
def test_each_is_given_up_when_it_is_due(stays: list[tuple[int, int]]) -> None:
    """Whoever does not end within two seconds is given up then, once, and nobody else ever is."""
    house = House()

    async def stay(name: str, begins: int, lasts: int) -> None:
        await asyncio.sleep(begins)
        house.patience.begin(name)
        await asyncio.sleep(lasts)
        house.patience.end(name)

    async def main() -> None:
        await asyncio.gather(*(stay(str(number), *one) for number, one in enumerate(stays)))

    run(main)
    late = [(str(number), begins + 2.0) for number, (begins, lasts) in enumerate(stays) if lasts > 2]
    assert sorted(house.late) == sorted(late)


def test_one_timer_for_many() -> None:
    """However many come and go, there is one timer for all of them in each stretch of time."""
    house = House()

    async def main() -> None:
        for number in range(1000):
            house.patience.begin(str(number))
            house.patience.end(str(number))
        house.patience.begin("last")
        await asyncio.sleep(5)

    assert run(main).timers <= 4
    assert house.late == [("last", 2.0)]


def test_an_end_that_comes_too_late_changes_nothing() -> None:
    """Who has been given up may still end, and may come again."""
    house = House()

    async def main() -> None:
        for _ in range(2):
            house.patience.begin("a")
            await asyncio.sleep(3)
            house.patience.end("a")

    run(main)
    assert house.late == [("a", 2.0), ("a", 5.0)]


def test_a_loop_that_is_gone_takes_nobody_with_it() -> None:
    """In a new loop patience begins anew, although somebody was still waited for in the one before."""
    house = House()

    async def leave() -> None:
        house.patience.begin("left")

    async def main() -> None:
        house.patience.begin("a")
        await asyncio.sleep(5)

    run(leave)
    run(main)
    assert house.late == [("a", 2.0)]


def test_only_within_a_loop() -> None:
    """Without an event loop there is nobody to tell."""
    with pytest.raises(RuntimeError):
        House().patience.begin("a")


def test_time_in_which_all_stands_still_counts_for_nobody() -> None:
    """A machine that stops gives nobody up for that; whoever still does not end is given up when their time is over."""
    house = House()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        house.patience.begin("ends when all goes on")
        house.patience.begin("never ends")
        loop.now += 60.0
        await asyncio.sleep(0.5)
        house.patience.end("ends when all goes on")
        await asyncio.sleep(60)

    run(main)
    ((name, at),) = house.late
    assert (name, 60.0 < at <= 62.0) == ("never ends", True)


def test_who_was_given_time_once_is_given_up_by_a_loop_that_stands_still_again_and_again() -> None:
    """A loop that is always late would else wait for ever."""
    house = House()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        house.patience.begin("a")
        for _ in range(3):
            loop.now += 60.0
            await asyncio.sleep(0.1)

    run(main)
    assert [name for name, _ in house.late] == ["a"]
