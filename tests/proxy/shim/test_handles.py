"""Connection handles that are renewed; tests/e2e/test_shim.py has a real control API."""

import asyncio
from typing import Any

import pytest

from proxy.errors import CountersignError
from proxy.shim.handles import Handles
from proxy.shim.sources import SourceFailed
from tests.fakes.world import Clock


class ControlApi:
    """Issues handles that live for an hour, or refuses."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: list[str | None] = []
        self.refusal = ""

    async def __call__(self, task: str | None) -> dict[str, Any]:
        self.asked.append(task)
        if self.refusal:
            raise CountersignError(self.refusal)
        number = len(self.asked)
        return {
            "id": f"hnd_{number}", "handle": f"csh_{number}", "task": "task_1", "not_after": self.clock() + 3600,
        }  # fmt: skip


def test_the_next_handle_is_of_the_same_task() -> None:
    """Issued once, again after half of its life; all of them are known, to be revoked."""

    async def run() -> None:
        clock = Clock(0.0)
        api = ControlApi(clock)
        handles = Handles(api, clock)
        assert await handles.token() == await handles.token() == "csh_1"
        clock.now = 1800.0
        assert await handles.token() == "csh_2"
        assert api.asked == [None, "task_1"]
        await handles.settle()
        assert [made["id"] for made in handles.issued] == ["hnd_1", "hnd_2"]

    asyncio.run(run())


def test_who_may_have_none_is_told_so_in_the_words_of_the_control_api() -> None:
    """At the start; and later, once the last one has ended."""

    async def run() -> None:
        clock = Clock(0.0)
        api = ControlApi(clock)
        handles = Handles(api, clock)
        await handles.token()
        api.refusal = "there is no agent `x` in the inventory"
        clock.now = 3599.0
        assert await handles.token() == "csh_1"
        clock.now = 3600.0
        for source in (handles, Handles(api, clock)):
            with pytest.raises(SourceFailed, match="there is no agent `x`"):
                await source.token()

    asyncio.run(run())
