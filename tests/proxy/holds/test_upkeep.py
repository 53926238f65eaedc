"""What is put right without anyone asking."""

from pathlib import Path

import pytest

from proxy.errors import Refused
from proxy.holds.model import State
from proxy.holds.service import HoldOptions
from tests.fakes.held_calls import TWO_SIGN, Desk, decided, inventory
from tests.proxy.holds.test_admission import parked, refusal, told

GATE_1 = HoldOptions(inline_wait=0.0, node="gate-1")


def test_a_gate_that_died_before_sending_gives_the_use_back(tmp_path: Path) -> None:
    """Its successor of the same name frees it at once; a replay then passes."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk))
        await desk.service.admit(decided())
        assert (await refusal(desk)).reason == "approval_consumed"
        restarted = Desk(desk.store)
        await restarted.service.recover(restarted.clock())
        assert await restarted.service.admit(decided())

    told(tmp_path, story)


def test_a_gate_that_died_after_sending_leaves_an_unknown_outcome(tmp_path: Path) -> None:
    """Nothing is repeated; the owner must find out."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        await desk.service.sent(await desk.service.admit(decided()))
        restarted = Desk(desk.store)
        await restarted.service.recover(restarted.clock())
        assert (await restarted.service.get(hold_id)).state is State.OUTCOME_UNKNOWN
        assert (await refusal(restarted)).reason == "approval_outcome_unknown"

    told(tmp_path, story)


def test_a_starting_gate_leaves_the_calls_of_others_alone(tmp_path: Path) -> None:
    """What another gate has in flight is its own business, until it is far too old."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        other = Desk(desk.store, options=GATE_1)
        await other.service.recover(other.clock())
        await desk.service.sent(claim)
        desk.clock.now = other.clock.now = other.clock.now + 3600
        await other.service.recover(other.clock())
        assert (await desk.service.get(hold_id)).state is State.RELEASING
        await other.service.sweep(other.clock() + 86_400)
        assert (await desk.service.get(hold_id)).state is State.OUTCOME_UNKNOWN
        await desk.service.finished(claim, 200)  # the answer came after all
        assert (await desk.service.get(hold_id)).state is State.EXECUTED

    told(tmp_path, story)


def test_a_reservation_that_nobody_uses_is_given_back(tmp_path: Path) -> None:
    """After half a minute it is swept, and whoever had it may no longer send."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        desk.clock.now += 31
        await desk.service.sweep(desk.clock())
        assert (await desk.service.get(hold_id)).state is State.APPROVED
        with pytest.raises(Refused) as refused:
            await desk.service.sent(claim)
        assert refused.value.refusal.reason == "approval_reservation_lost"
        assert await desk.service.admit(decided())

    told(tmp_path, story)


def test_fifty_holds_survive_a_restart(tmp_path: Path) -> None:
    """All are there with their clocks, nobody is notified again, and agents join them again."""

    async def story(desk: Desk) -> None:
        calls = [decided({"amount": number}) for number in range(50)]
        ids = [await parked(desk, call) for call in calls]
        restarted = Desk(desk.store)
        await restarted.service.recover(restarted.clock())
        assert {view.id for view in await restarted.service.list("pending")} == set(ids)
        assert [await parked(restarted, call) for call in calls] == ids
        assert restarted.notified == []
        restarted.clock.now += 901
        await restarted.service.recover(restarted.clock())
        assert await restarted.service.list("pending") == []
        assert len(await restarted.service.list("expired")) == 50

    told(tmp_path, story, options=HoldOptions(inline_wait=0, open_per_agent=100, new_per_minute=100))


def test_a_sweep_ends_what_time_has_ended(tmp_path: Path) -> None:
    """Overdue holds expire or lapse, each with its record."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk, decided({"a": 1})))
        await parked(desk)
        desk.clock.now += 901
        await desk.service.sweep(desk.clock())
        assert sorted(view.state for view in await desk.service.list()) == [State.EXPIRED, State.LAPSED]
        assert desk.records.types()[-1] in {"approval.lapsed", "approval.decided"}

    told(tmp_path, story)


def test_a_new_owner_gets_what_waits(tmp_path: Path) -> None:
    """The sweep re-routes open holds after a change of the inventory, without waiting for the agent."""

    async def story(desk: Desk) -> None:
        pending = await parked(desk, decided(requirement=TWO_SIGN))
        await desk.approve(pending)
        approved = await parked(desk, decided({"a": 1}))
        await desk.approve(approved, "dan")
        await desk.service.sweep(desk.clock())
        assert (await desk.service.get(approved)).state is State.APPROVED
        desk.world = inventory(version="v2", owner="nora")
        await desk.service.sweep(desk.clock())
        for hold_id in (pending, approved):
            view = await desk.service.get(hold_id)
            assert (view.owner, view.state) == ("nora", State.PENDING)
            assert [vote.standing for vote in view.votes] == ["void"]

    told(tmp_path, story)


@pytest.mark.parametrize(
    "scope", ["agent:refunds", "task:task_1", "handle:hnd_1", "owner:olga", "global", "service:crm", "tool:crm/refund"]
)
def test_a_revocation_ends_what_it_covers(tmp_path: Path, scope: str) -> None:
    """What waits is cancelled, what is approved is revoked, and neither passes."""

    async def story(desk: Desk) -> None:
        waiting = await parked(desk, decided({"a": 1}))
        approved = await parked(desk)
        await desk.approve(approved)
        assert await desk.service.invalidate_for((scope,), by="person:sara") == 2
        assert (await desk.service.get(waiting)).state is State.CANCELLED
        assert (await desk.service.get(approved)).state is State.REVOKED
        answer = await refusal(desk, decided({"a": 1}))
        assert (answer.reason, answer.next_action) == ("approval_invalidated", "none")

    told(tmp_path, story)


def test_a_revocation_leaves_others_and_what_is_sent(tmp_path: Path) -> None:
    """Other scopes are untouched, and what is on its way is not called back but not told as ended either."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        await desk.service.sent(await desk.service.admit(decided()))
        assert await desk.service.invalidate_for(("agent:other", "task:task_9")) == 0
        assert await desk.service.invalidate_for(("agent:refunds",)) == 0
        assert await desk.service.invalidate_for(()) == 0
        assert (await desk.service.get(hold_id)).state is State.RELEASING

    told(tmp_path, story)
