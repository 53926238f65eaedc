"""Waiting in tests for what other coroutines do, without sleeping."""

import asyncio
from collections.abc import Callable

TURNS = 20_000


async def until(condition: Callable[[], bool]) -> None:
    """Let the others run until this holds; fails the test if it never does."""
    async with asyncio.timeout(10):
        for _ in range(TURNS):
            if condition():
                return
            await asyncio.to_thread(lambda: None)
    raise AssertionError("what the test waits for never came")
