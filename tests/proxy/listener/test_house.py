"""What all connections of a listener share."""

import asyncio
from typing import Any

from proxy.listener.house import House


def test_empty_while_nobody_is_here() -> None:
    """Stopping waits for the last one to leave."""

    async def run() -> None:
        nothing: Any = None
        house = House(asyncio.get_running_loop(), nothing, nothing, nothing, nothing)
        house.enter("a", nothing)
        house.enter("b", nothing)
        house.leave("a")
        assert not house.empty.is_set()
        house.leave("b")
        house.leave("b")
        assert house.empty.is_set()

    asyncio.run(run())
