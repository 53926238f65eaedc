"""Waiting in tests for what others do, without sleeping, and measuring how long they took."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

PATIENCE = 30.0  # seconds, on a machine that is busy with other things


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until this holds; fails the test if it does not in good time."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.to_thread(lambda: None)
    except TimeoutError as late:
        raise AssertionError("what the test waits for never came") from late


class SwiftLoop(asyncio.SelectorEventLoop):
    """A loop whose clock runs ahead when a test says so: a time-out need be neither waited for nor short.

    asyncio.run(run(), loop_factory=SwiftLoop)
    """

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


async def flying[T](work: Awaitable[T], most: float = 20.0) -> T:
    """What comes of this while seconds fly by in a `SwiftLoop`; fails if so many of them do not suffice."""
    task = asyncio.ensure_future(work)
    await fly(most, task.done)
    assert task.done(), f"not over after {most:.0f} s"
    return await task


async def fly(seconds: float, over: Callable[[], bool] = lambda: False) -> None:
    """So many seconds of a `SwiftLoop`, or as many as it takes, in small steps: whoever wakes has a turn."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SwiftLoop)
    end = loop.ahead + seconds
    while loop.ahead < end and not over():
        loop.ahead += 0.1
        for _ in range(5):
            await asyncio.sleep(0)


def own_time(*processes: int) -> float:
    """A clock in seconds that stands still while this process, or one of these, could go on and was not let.

    A bound on our own work is kept or broken by our own work then, and not by what else the machine is busy with, nor
    by how long it stands still. What we wait for, or block on, counts.
    """
    return time.perf_counter() - _STANDSTILL.so_far() - sum(map(_kept_waiting, processes))


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done in here takes no longer than this, by our own time."""
    began = own_time()
    yield
    assert (took := own_time() - began) < seconds, f"took {took:.2f} s"


class _Standstill:
    """How long this process was not let run: a thread ticks, and a late tick in which it used no processor tells."""

    TICK = 0.02
    ODD = 0.05  # a tick that is later than this was not merely late

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost = self._at = self._used = self._waited = 0.0
        self._ticking = False

    def so_far(self) -> float:
        with self._lock:
            if not self._ticking:
                self._ticking = True
                self._look()
                self._lost = 0.0
                threading.Thread(target=self._tick, daemon=True).start()
            else:
                self._look()
            return self._lost

    def _tick(self) -> None:
        while True:
            time.sleep(self.TICK)
            with self._lock:
                self._look()

    def _look(self) -> None:
        at, used, waited = time.perf_counter(), time.process_time(), _kept_waiting(os.getpid())
        late = at - self._at - (used - self._used) - self.ODD
        self._lost += max(0.0, late, waited - self._waited)
        self._at, self._used, self._waited = at, used, waited


_STANDSTILL = _Standstill()


def _kept_waiting(process: int) -> float:
    """Of its first thread, which runs the loop. Where the kernel does not count it, nothing is taken off."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
