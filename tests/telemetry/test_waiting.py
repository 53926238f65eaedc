"""Telling those who wait."""

import asyncio
import concurrent.futures
import threading

import pytest

from telemetry.errors import AuditUnavailable
from telemetry.waiting import Entry, deliver, fail, refuse
from tests.fakes.waiting import PATIENCE


def test_each_loop_is_woken_and_each_future_told():
    """From another thread, futures of a loop and of no loop get their index or their refusal."""

    async def main():
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(2)]
        outside = concurrent.futures.Future()
        entries = [*(Entry({}, future, loop, lazy=False) for future in futures), Entry({}, outside, None, lazy=True)]
        threading.Thread(target=deliver, args=(entries, [7, AuditUnavailable("full"), 8])).start()
        assert await futures[0] == 7
        with pytest.raises(AuditUnavailable, match="full"):
            await futures[1]
        assert outside.result(PATIENCE) == 8

    asyncio.run(main())


def test_late_news_and_closed_loops_do_no_harm():
    """A future that is already done keeps its result, and a loop that is gone is nobody's problem."""
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    loop.close()
    refuse([Entry({}, future, loop, lazy=False)], "late")
    done = concurrent.futures.Future()
    done.set_result(1)
    fail(done, "late")
    deliver([Entry({}, done, None, lazy=False)], [2])
    assert done.result() == 1
