"""Waiting in tests for what others do, without sleeping, and measuring how long they took."""

import asyncio
import os
import time
from collections.abc import Callable
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


def own_time(*processes: int) -> float:
    """A clock in seconds that stands still while this process, or one of these, could go on and got no processor.

    A bound on our own work is kept or broken by our own work then, and not by what else the machine is busy with.
    What we wait for, or block on, counts.
    """
    return time.perf_counter() - sum(map(_kept_waiting, (os.getpid(), *processes)))


def _kept_waiting(process: int) -> float:
    """Of its first thread, which runs the loop. Where the kernel does not count it, nothing is taken off."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
