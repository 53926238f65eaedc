"""What people do with a hold, on the real store."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.holds.mistakes import (
    AlreadyDecided,
    HoldError,
    HoldNotFound,
    NotEligible,
    ReasonRequired,
    Stale,
    TooLate,
    Unreadable,
)
from proxy.holds.model import State
from proxy.holds.sealing import Sealer
from tests.fakes.held_calls import NOW, TWO_SIGN, Desk, decided, inventory
from tests.proxy.holds.test_admission import parked, told
from tests.proxy.storage.opening import opened


def test_a_vote_counts_with_what_was_looked_at(tmp_path: Path) -> None:
    """The vote keeps its reason, channel, assurance, roles, and the digests of what was signed."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        seen = await desk.service.get(hold_id)
        view = await desk.approve(
            hold_id, reason=" ok ", row_version=seen.row_version, action_digest=seen.action_digest, channel="cli"
        )
        assert view.state is State.APPROVED
        vote = view.votes[0]
        assert (vote.reason, vote.channel, vote.assurance, vote.roles) == ("ok", "cli", "session", ("owner",))
        assert (vote.action_digest, vote.display_digest) == (seen.action_digest, seen.display_digest)

    told(tmp_path, story)


@pytest.mark.parametrize("looked_at", [{"row_version": 7}, {"row_version": 0}, {"action_digest": "sha256:other"}])
def test_a_vote_on_something_else_is_stale(tmp_path: Path, looked_at: dict[str, Any]) -> None:
    """An old page, or a page of another hold, decides nothing."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        with pytest.raises(Stale):
            await desk.approve(hold_id, **looked_at)
        assert (await desk.service.get(hold_id)).votes == ()

    told(tmp_path, story)


def test_who_may_not_vote_changes_nothing(tmp_path: Path) -> None:
    """Not eligible, unknown, inactive; an unknown hold; a denial without reason; a reason without end."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        for person in ("rita", "ghost", "sara", ""):
            with pytest.raises(NotEligible):
                await desk.approve(hold_id, person)
        with pytest.raises(HoldNotFound):
            await desk.approve("hld_0")
        with pytest.raises(ReasonRequired):
            await desk.deny(hold_id, reason=" ")
        with pytest.raises(HoldError, match="2001 characters"):
            await desk.deny(hold_id, reason="x" * 2001)
        desk.world = inventory(inactive=("olga",))
        with pytest.raises(NotEligible):
            await desk.approve(hold_id)
        assert (await desk.service.get(hold_id)).votes == ()

    told(tmp_path, story)


def test_a_deputy_whose_time_ended_before_the_click_is_refused(tmp_path: Path) -> None:
    """Roles are looked at when the vote comes, not when the page was opened."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        assert "dan" in (await desk.service.get(hold_id)).may_decide
        agent = desk.world.agents["refunds"].model_copy(update={"deputies": ()})
        desk.world = desk.world.model_copy(update={"agents": {"refunds": agent}})
        with pytest.raises(NotEligible):
            await desk.approve(hold_id, "dan")

    told(tmp_path, story)


def test_the_head_of_the_chain_alone_is_not_enough(tmp_path: Path) -> None:
    """For whom the agent acts cannot be its only approver; a deputy's signature makes it whole."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk, decided(root="olga"))
        assert (await desk.approve(hold_id)).state is State.PENDING
        assert (await desk.approve(hold_id, "dan")).state is State.APPROVED

    told(tmp_path, story)


@pytest.mark.parametrize("round_", range(5))
def test_approve_and_deny_at_once_is_one_decision(tmp_path: Path, round_: int) -> None:
    """Two people in two processes: one outcome, and the other hears which."""

    async def story(desk: Desk) -> None:
        async with opened(tmp_path) as store:
            hold_id = await parked(desk)
            other = Desk(store)
            outcomes = await asyncio.gather(desk.approve(hold_id), other.deny(hold_id, "dan"), return_exceptions=True)
            (refused,) = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            assert isinstance(refused, AlreadyDecided)
            view = await desk.service.get(hold_id)
            assert view.state in {State.APPROVED, State.DENIED}
            assert view.state.value in str(refused)
            counted = [vote.decision for vote in view.votes if vote.standing == "counted"]
            assert counted == ["approve" if view.state is State.APPROVED else "deny"]
            assert len(view.votes) == 2

    told(tmp_path, story)


def test_a_double_click_is_one_vote_with_the_same_answer(tmp_path: Path) -> None:
    """Ten identical posts of an old row version: one vote, and no error."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        clicks = [desk.approve(hold_id, row_version=1) for _ in range(10)]
        views = await asyncio.gather(*clicks)
        assert {view.state for view in views} == {State.APPROVED}
        assert len(views[0].votes) == 1
        assert desk.records.types().count("approval.voted") == 1

    told(tmp_path, story)


def test_nobody_votes_twice(tmp_path: Path) -> None:
    """Having approved, the same person cannot deny, and their own signature is not counted twice."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk, decided(requirement=TWO_SIGN))
        await desk.approve(hold_id)
        assert (await desk.approve(hold_id)).state is State.PENDING
        with pytest.raises(AlreadyDecided):
            await desk.deny(hold_id)

    told(tmp_path, story)


def test_a_vote_after_the_deadline_is_late(tmp_path: Path) -> None:
    """With every timer dead, a vote after `decide_by` is kept and refused."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        desk.clock.now += 901
        with pytest.raises(AlreadyDecided, match="expired"):
            await desk.approve(hold_id)
        view = await desk.service.get(hold_id)
        assert (view.state, view.votes[0].standing) == (State.EXPIRED, "late")

    told(tmp_path, story)


def test_the_clock_of_the_voter_decides_nothing_in_favour(tmp_path: Path) -> None:
    """A caller whose `now` lags cannot approve after the deadline."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        desk.clock.now += 901
        with pytest.raises(AlreadyDecided):
            await desk.approve(hold_id, now=NOW)

    told(tmp_path, story)


def test_what_cannot_be_shown_cannot_be_approved(tmp_path: Path) -> None:
    """With another sealing key nobody approves; denying is still possible."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        blind = Desk(desk.store, sealer=Sealer(b"k" * 32))
        assert (await blind.service.get(hold_id)).problem == "card_unreadable"
        with pytest.raises(Unreadable):
            await blind.approve(hold_id)
        assert (await blind.deny(hold_id)).state is State.DENIED

    told(tmp_path, story)


def test_an_unused_approval_can_be_taken_back(tmp_path: Path) -> None:
    """By the owner or whoever could approve; then nothing is released."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        with pytest.raises(NotEligible):
            await desk.service.revoke(hold_id, "rita", reason="x", now=NOW)
        assert (await desk.service.revoke(hold_id, "dan", reason="x", now=NOW)).state is State.REVOKED

    told(tmp_path, story)


@pytest.mark.parametrize("what", ["revoke", "reconcile"])
def test_after_a_hand_over_only_who_answers_today_has_a_say(tmp_path: Path, what: str) -> None:
    """The owner of before voted, and answers no more: they neither take it back nor say what became of it."""

    async def say(desk: Desk, hold_id: str, person: str) -> State:
        if what == "revoke":
            return (await desk.service.revoke(hold_id, person, reason="x", now=NOW)).state
        return (await desk.service.reconcile(hold_id, person, executed=True, evidence="x", now=NOW)).state

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        if what == "reconcile":
            claim = await desk.service.admit(decided())
            await desk.service.sent(claim)
            await desk.service.unknown(claim, "reset")
        desk.world = inventory(version="v2", owner="nora")
        view = await desk.service.get(hold_id)
        assert (view.owner, view.answers) == ("olga", "nora")
        assert (view.answerable_by("olga"), view.answerable_by("nora")) == (False, True)
        with pytest.raises(NotEligible):
            await say(desk, hold_id, "olga")
        desk.world = inventory(version="v3", owner="nora", inactive=("nora",))
        with pytest.raises(NotEligible):
            await say(desk, hold_id, "nora")
        assert not (await desk.service.get(hold_id)).answerable_by("")
        desk.world = inventory(version="v4", owner="nora")
        assert await say(desk, hold_id, "nora") is (State.REVOKED if what == "revoke" else State.EXECUTED)

    told(tmp_path, story)


def test_what_became_of_a_call_is_still_found_out_when_its_agent_is_gone(tmp_path: Path) -> None:
    """Whoever was accountable last says it; nobody else would be there to."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        await desk.service.sent(claim)
        await desk.service.unknown(claim, "reset")
        desk.world = inventory(version="v2").model_copy(update={"agents": {}})
        with pytest.raises(NotEligible):
            await desk.service.reconcile(hold_id, "nora", executed=True, evidence="x", now=NOW)
        found = await desk.service.reconcile(hold_id, "olga", executed=False, evidence="no entry", now=NOW)
        assert found.state is State.NOT_EXECUTED

    told(tmp_path, story)


@pytest.mark.parametrize("round_", range(5))
def test_taking_back_races_with_the_release(tmp_path: Path, round_: int) -> None:
    """Either it is revoked and may not be sent, or it is sent and cannot be called back."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        sent, revoked = await asyncio.gather(
            desk.service.sent(claim),
            desk.service.revoke(hold_id, "olga", reason="x", now=NOW),
            return_exceptions=True,
        )
        state = (await desk.service.get(hold_id)).state
        if isinstance(revoked, TooLate):
            assert sent is None
            assert state is State.RELEASING
        else:
            assert isinstance(sent, Exception)
            assert state is State.REVOKED

    told(tmp_path, story)


def test_an_outcome_is_found_out_by_people_with_evidence(tmp_path: Path) -> None:
    """Only for an unknown outcome, only by the owner or an approver, only with evidence."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        with pytest.raises(AlreadyDecided):
            await desk.service.reconcile(hold_id, "olga", executed=True, evidence="x", now=NOW)
        await desk.service.sent(claim)
        await desk.service.unknown(claim, "reset")
        with pytest.raises(NotEligible):
            await desk.service.reconcile(hold_id, "rita", executed=False, evidence="x", now=NOW)
        with pytest.raises(ReasonRequired):
            await desk.service.reconcile(hold_id, "olga", executed=False, evidence="", now=NOW)
        found = await desk.service.reconcile(hold_id, "olga", executed=True, evidence="see ledger", now=NOW)
        assert (found.state, found.closed_text) == (State.EXECUTED, "see ledger")

    told(tmp_path, story)
