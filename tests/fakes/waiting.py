"""Waiting in tests for what other coroutines do, without sleeping."""

import asyncio
from collections.abc import Callable

PATIENCE = 30.0  # seconds, on a machine that is busy with other things


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until this holds; fails the test if it does not in good time."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.to_thread(lambda: None)
    except TimeoutError as late:
        raise AssertionError("what the test waits for never came") from late
