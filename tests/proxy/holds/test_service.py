"""Holds, whole, on the real store."""

import asyncio
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.holds.mistakes import AlreadyDecided, HoldError, HoldNotFound
from proxy.holds.model import State
from tests.fakes.held_calls import NOW, Desk, decided
from tests.proxy.holds.test_admission import PATIENT, Failing, parked, refusal, told, waiting


def test_a_call_is_marked_as_sent_before_it_is_and_only_once(tmp_path: Path) -> None:
    """Without the durable mark there is no going upstream, and a second mark is refused."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        with pytest.raises(StoreUnavailable):
            await Desk(Failing(desk.store, "apply_transition")).service.sent(claim)
        assert (await desk.store.load_hold(hold_id)).attempts[0].state == "reserved"
        await desk.service.sent(claim)
        with pytest.raises(Exception, match="approval_reservation_lost"):
            await desk.service.sent(claim)

    told(tmp_path, story)


def test_a_connection_that_failed_before_the_first_byte_gives_the_use_back(tmp_path: Path) -> None:
    """Also after the sent mark, when the gate knows that not one byte went."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk))
        claim = await desk.service.admit(decided())
        await desk.service.sent(claim)
        await desk.service.not_sent(claim, "connection refused")
        again = await desk.service.admit(decided())
        assert again.attempt_id != claim.attempt_id

    told(tmp_path, story)


def test_an_outcome_that_could_not_be_written_is_written_by_the_sweep(tmp_path: Path) -> None:
    """The store was away when the answer came: the use stays spent, and the outcome is not lost."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        flaky = Failing(desk.store, "none")
        gate = Desk(flaky)
        claim = await gate.service.admit(decided())
        await gate.service.sent(claim)
        flaky._method = "apply_transition"
        with pytest.raises(StoreUnavailable):
            await gate.service.finished(claim, 200)
        with pytest.raises(StoreUnavailable):
            await gate.service.sweep(NOW)
        flaky._method = "none"
        await gate.service.sweep(NOW)
        assert (await desk.service.get(hold_id)).state is State.EXECUTED

    told(tmp_path, story)


def test_a_late_or_repeated_outcome_changes_nothing(tmp_path: Path) -> None:
    """Once executed, neither a second answer nor a claim of not having sent moves it."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        await desk.service.sent(claim)
        await desk.service.finished(claim, 200)
        await desk.service.finished(claim, 500)
        await desk.service.not_sent(claim, "x")
        await desk.service.unknown(claim, "x")
        view = await desk.service.get(hold_id)
        assert (view.state, view.attempts[0].status) == (State.EXECUTED, 200)

    told(tmp_path, story)


def test_holds_are_listed_for_people(tmp_path: Path) -> None:
    """By state, all, open; for those whom they concern; an unknown state is a person's mistake."""

    async def story(desk: Desk) -> None:
        first = await parked(desk, decided({"a": 1}))
        second = await parked(desk)
        await desk.deny(first, "dan")
        assert [view.id for view in await desk.service.list()] == [second, first]
        assert [view.id for view in await desk.service.list("pending")] == [second]
        assert [view.id for view in await desk.service.list("open", "olga")] == [second]
        assert [view.id for view in await desk.service.list("all", "dan")] == [second, first]
        assert await desk.service.list("all", "rita") == []
        assert len(await desk.service.list(limit=1)) == 1
        with pytest.raises(HoldError, match="pending"):
            await desk.service.list("waiting")
        with pytest.raises(HoldNotFound):
            await desk.service.get("hld_0")

    told(tmp_path, story)


def test_a_card_is_shown_whole_and_stored_sealed(tmp_path: Path) -> None:
    """The view has every argument; the store's files have none of them."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk, decided({"iban": "DE02120300000000202051"}))
        view = await desk.service.get(hold_id)
        assert view.card["arguments"] == {"iban": "DE02120300000000202051"}

    told(tmp_path, story)
    for file in tmp_path.iterdir():
        assert b"DE02120300000000202051" not in file.read_bytes(), file.name


def test_an_agent_withdraws_its_own(tmp_path: Path) -> None:
    """Once; another agent's attempt finds nothing. Asking again makes a new hold."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        with pytest.raises(HoldNotFound):
            await desk.service.withdraw(hold_id, "other")
        assert (await desk.service.withdraw(hold_id, "refunds")).state is State.CANCELLED
        with pytest.raises(AlreadyDecided):
            await desk.service.withdraw(hold_id, "refunds")
        assert await parked(desk) != hold_id

    told(tmp_path, story)


def test_what_no_longer_exists_is_invalidated(tmp_path: Path) -> None:
    """An approved hold whose tool has changed is no use any more, and the agent learns why."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        await desk.service.invalidate(hold_id, "tool_changed")
        answer = await refusal(desk)
        assert (answer.reason, answer.extra["reason_code"]) == ("approval_invalidated", "tool_changed")

    told(tmp_path, story)


def test_a_revoked_agent_is_told_at_once(tmp_path: Path) -> None:
    """The call that waits gets its 403 when the agent is revoked, not when the wait is over."""

    async def story(desk: Desk) -> None:
        _, (call,) = await waiting(desk, 1)
        await desk.service.invalidate_for(("agent:refunds",))
        (outcome,) = await asyncio.gather(call, return_exceptions=True)
        assert "approval_invalidated" in str(outcome)

    told(tmp_path, story, options=PATIENT)


def test_changes_wake_only_whom_they_concern(tmp_path: Path) -> None:
    """A change of another hold does not wake this one's waiter; without waiters nothing is read."""

    async def story(desk: Desk) -> None:
        await desk.service.changed()
        hold_id, (call,) = await waiting(desk, 1)
        await desk.service.changed()
        with desk.service._ledger.waiters.watch(hold_id) as event:
            await parked(Desk(desk.store), decided({"a": 1}))
            await desk.service.changed()
            assert not event.is_set()
            await Desk(desk.store).approve(hold_id)
            await desk.service.changed()
            assert event.is_set()
        assert (await call).hold_id == hold_id

    told(tmp_path, story, options=PATIENT)
