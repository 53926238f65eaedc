"""How a released call ends: answered, cut, never sent. Each is on record, and nothing there waits or raises."""

import asyncio

import pytest

from proxy.errors import StoreUnavailable
from proxy.stages import Answered
from tests.fakes.waiting import PATIENCE
from tests.fakes.world import Broken, get, refund, run


@pytest.mark.parametrize("status", [200, 404, 500])
def test_an_answer_is_on_record(tmp_path, status):
    """Status, size and the time since the release; the same trace and task as the decision."""

    async def scenario(house):
        house.clock.now += 0.5  # as long as the call was judged
        released = await house.released(get())
        now = house.clock()
        house.pipeline.answered(Answered(released, status, 2048, now + 0.02, now + 0.05))
        decided, ended = await house.records("call.decided", "call.completed")
        assert ended["upstream"] == {
            "status": status, "bytes": 2048, "total_us": 50_000, "first_byte_us": 20_000, "sent": True,
        }  # fmt: skip
        assert (ended["call"], ended["task"]) == (decided["call"], "task-1")
        assert ended["trace"]["id"] == decided["trace"]["id"] == released.trace_id
        assert "error" not in ended

    run(tmp_path, scenario)


def test_a_call_that_was_cut_is_on_record_as_such(tmp_path):
    """No complete answer: aborted, with the reason."""

    async def scenario(house):
        released = await house.released(get())
        house.answer(released, 0, error="agent_revoked")
        ended = await house.last("call.aborted")
        assert ended["error"] == {"reason": "agent_revoked", "internal": "agent_revoked"}
        assert ended["upstream"]["sent"] is True

    run(tmp_path, scenario)


def test_a_call_that_was_never_sent_says_so(tmp_path):
    """Not one byte went upstream: the record says so."""

    async def scenario(house):
        house.pipeline.unsent(await house.released(get()), "certificate of another name")
        ended = await house.last("call.aborted")
        assert ended["upstream"]["sent"] is False
        assert ended["error"]["internal"] == "certificate of another name"

    run(tmp_path, scenario)


def test_endings_never_raise(tmp_path, caplog):
    """With the log closed and the store down, an ending is lost loudly, and the listener is not disturbed."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)
        released = await house.released(refund(), evidence=given)
        house.broken(holds=Broken(StoreUnavailable("down")))
        house.recorder.close()
        house.answer(released)
        house.pipeline.unsent(released, "x" * 5000)
        await house.pipeline.drain()
        assert "the sweep will settle it" in caplog.text

    run(tmp_path, scenario)


def test_draining_waits_for_what_was_begun(tmp_path):
    """After `drain` the outcome of every held call is stored."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)
        house.answer(await house.released(refund(), evidence=given))
        assert await house.state(hold) == "releasing"
        await asyncio.wait_for(house.pipeline.drain(), PATIENCE)
        assert await house.state(hold) == "executed"

    run(tmp_path, scenario)
