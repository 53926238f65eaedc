"""The life of a hold, as a pure machine."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from policies.model import Clause, Requirement
from proxy.holds.machine import Impossible, apply
from proxy.holds.mistakes import (
    AlreadyDecided,
    HoldError,
    HoldNotFound,
    NotEligible,
    ReasonRequired,
    ReservationLost,
    Stale,
    TooLate,
)
from proxy.holds.model import OPEN, TERMINAL, Hold, State, Vote
from proxy.holds.moves import (
    Cast,
    Finish,
    GiveBack,
    Invalidate,
    LoseTrack,
    MarkSent,
    Recheck,
    Reconcile,
    Reserve,
    Revoke,
    Tick,
    Withdraw,
)
from proxy.holds.rules import Eligibility, Parties, eligible
from tests.fakes.held_calls import NOW, TWO_SIGN, hold, inventory

T = NOW + 10


def who(of: Hold) -> Eligibility:
    return eligible(of.requirement, Parties("refunds", "crm", (), of.root), inventory(), date(2026, 9, 21))


def cast(of: Hold, person: str = "olga", decision: Any = "approve", reason: str = "because", **changes: Any) -> Cast:
    digests = {"action_digest": of.key.action_digest, "display_digest": of.display_digest}
    return Cast(Vote(person, decision, T, reason, **{**digests, **changes}), who(of))


def recheck(of: Hold, *, owner: str | None = "olga", requirement: Requirement | None = None, gone: str = "") -> Recheck:
    wanted = requirement or of.requirement
    active = frozenset(vote.person for vote in of.votes) - {gone}
    return Recheck(owner, wanted, who(replace(of, requirement=wanted)), active)


def after(of: Hold, *moves: Any, now: float = T) -> Hold:
    for move in moves:
        of = apply(of, move, now).after
    return of


def approved() -> Hold:
    pending = hold()
    return after(pending, cast(pending))


def released(*moves: Any) -> Hold:
    return after(approved(), Reserve("att_1", "gate-0", "call_1"), *moves)


# --- people decide ---------------------------------------------------------------------------------------


def test_the_last_needed_vote_approves() -> None:
    """One owner's vote fills the one clause; the clock to use it begins then."""
    transition = apply(hold(), cast(hold()), T)
    assert transition.after.state is State.APPROVED
    assert transition.after.use_by == T + 600
    assert [event.type for event in transition.events] == ["hold.vote_recorded", "hold.approved"]
    assert transition.after.votes[0].roles == ("owner",)


def test_two_clauses_need_two_people() -> None:
    """The first of two signatures leaves the hold pending."""
    pending = hold(requirement=TWO_SIGN)
    once = after(pending, cast(pending))
    assert once.state is State.PENDING
    assert after(once, cast(once, "sara")).state is State.APPROVED


def test_one_deny_ends_it_with_its_reason() -> None:
    """A denial is final and keeps the words of who denied."""
    ended = after(hold(), cast(hold(), "dan", "deny", " too much "))
    assert (ended.state, ended.closed_by, ended.closed_text) == (State.DENIED, "person:dan", "too much")


def test_a_denial_needs_a_reason() -> None:
    """Without a reason there is no denial."""
    with pytest.raises(ReasonRequired):
        apply(hold(), cast(hold(), "olga", "deny", "  "), T)


@pytest.mark.parametrize("person", ["rita", "ghost", "refunds", ""])
def test_who_has_no_role_has_no_vote(person: str) -> None:
    """Whoever is in none of the roles, an agent among them, changes nothing."""
    with pytest.raises(NotEligible):
        apply(hold(), cast(hold(), person), T)


def test_the_root_of_the_chain_alone_leaves_it_pending() -> None:
    """The person for whom the agent acts is counted, and another person is still needed."""
    pending = hold(root="olga")
    once = after(pending, cast(pending))
    assert once.state is State.PENDING
    assert after(once, cast(once, "dan")).state is State.APPROVED


def test_a_double_click_is_one_vote() -> None:
    """The same vote again changes nothing and is no error."""
    once = hold(requirement=TWO_SIGN)
    once = after(once, cast(once))
    again = apply(once, cast(once), T + 1)
    assert not again.changed
    assert again.after == once


def test_a_vote_is_not_changed_by_voting_again() -> None:
    """One vote a person: the other way round is an error."""
    once = hold(requirement=TWO_SIGN)
    once = after(once, cast(once))
    with pytest.raises(AlreadyDecided):
        apply(once, cast(once, "olga", "deny"), T)


@pytest.mark.parametrize("field", ["action_digest", "display_digest"])
def test_a_vote_for_something_else_is_stale(field: str) -> None:
    """A vote counts only for exactly this action, shown in exactly this way."""
    with pytest.raises(Stale):
        apply(hold(), cast(hold(), **{field: "sha256:other"}), T)


def test_a_strange_decision_is_an_error() -> None:
    """Only approve and deny are decisions."""
    with pytest.raises(HoldError, match="maybe"):
        apply(hold(), cast(hold(), "olga", "maybe"), T)


def test_a_late_vote_is_kept_and_changes_nothing() -> None:
    """A vote after the end is written down beside it, and the end stays."""
    ended = after(hold(), cast(hold(), "olga", "deny"))
    late = apply(ended, cast(ended, "dan"), T + 5)
    assert replace(late.after, votes=ended.votes) == ended
    vote = late.after.vote_of("dan")
    assert vote is not None
    assert vote.standing == "late"


# --- two clocks ------------------------------------------------------------------------------------------


def test_the_moment_of_the_deadline_still_counts_and_the_next_does_not() -> None:
    """A vote at `decide_by` is in time; one after it is late, and the hold has expired."""
    pending = hold()
    assert after(pending, cast(pending), now=pending.decide_by).state is State.APPROVED
    late = apply(pending, cast(pending), pending.decide_by + 0.001)
    assert late.after.state is State.EXPIRED
    assert late.after.approvals == {}
    assert [event.type for event in late.events] == ["hold.expired", "hold.vote_recorded"]


def test_an_unused_approval_lapses() -> None:
    """After `use_by` there is nothing to reserve."""
    late = apply(approved(), Reserve("att_1", "gate-0", "call_1"), T + 600.5)
    assert late.after.state is State.LAPSED
    assert late.after.attempts == ()
    assert apply(approved(), Reserve("att_1", "gate-0", "call_1"), T + 600).after.state is State.RELEASING
    endless = replace(approved(), use_by=None)
    assert after(endless, Reserve("att_1", "gate-0", "call_1")).state is State.LAPSED, "no end is no approval"


def test_what_ran_out_ended_when_its_clock_did() -> None:
    """However late somebody noticed."""
    pending = hold()
    assert after(pending, Tick(), now=pending.decide_by + 999).closed_at == pending.decide_by
    assert after(approved(), Tick(), now=T + 999).closed_at == T + 600


def test_a_reservation_in_time_may_be_sent_after_use_by() -> None:
    """`use_by` is about reserving; given back after it, the approval has lapsed."""
    late = T + 10_000
    assert after(released(), MarkSent("att_1"), now=late).state is State.RELEASING
    assert after(released(), GiveBack("att_1", "no route"), Tick(), now=late).state is State.LAPSED


# --- one use -----------------------------------------------------------------------------------------------


def test_an_answer_of_any_status_spends_the_use() -> None:
    """After an upstream's answer the hold is executed, also when that answer is an error."""
    ended = released(MarkSent("att_1"), Finish("att_1", 500))
    assert ended.state is State.EXECUTED
    assert ended.attempts[0].status == 500


def test_what_was_not_sent_is_given_back() -> None:
    """A reservation that came to nothing leaves the approval usable, once more and only once."""
    back = released(GiveBack("att_1", "client left"))
    assert back.state is State.APPROVED
    again = after(back, Reserve("att_2", "gate-0", "call_2"))
    assert [attempt.state for attempt in again.attempts] == ["not_sent", "reserved"]


def test_nothing_is_sent_under_a_reservation_that_was_given_back() -> None:
    """The sent mark is refused, so no byte goes upstream."""
    with pytest.raises(ReservationLost):
        apply(released(GiveBack("att_1", "too slow")), MarkSent("att_1"), T)


def test_nothing_is_sent_twice_under_one_reservation() -> None:
    """A second sent mark is refused."""
    with pytest.raises(ReservationLost):
        apply(released(MarkSent("att_1")), MarkSent("att_1"), T)


def test_an_unknown_outcome_waits_for_a_person() -> None:
    """Nothing but evidence ends it; then it is executed or not."""
    lost = released(MarkSent("att_1"), LoseTrack("att_1", "connection reset"))
    assert lost.state is State.OUTCOME_UNKNOWN
    assert after(lost, Tick(), now=T + 1e9).state is State.OUTCOME_UNKNOWN
    with pytest.raises(ReasonRequired):
        apply(lost, Reconcile("olga", executed=True, evidence=" "), T)
    assert after(lost, Reconcile("olga", executed=True, evidence="see ledger")).state is State.EXECUTED
    assert after(lost, Reconcile("olga", executed=False, evidence="see ledger")).state is State.NOT_EXECUTED


def test_a_late_answer_settles_an_unknown_outcome() -> None:
    """If the answer comes after all, the call was executed."""
    lost = released(MarkSent("att_1"), LoseTrack("att_1", "slow"))
    assert after(lost, Finish("att_1", 200)).state is State.EXECUTED


@pytest.mark.parametrize("state", [State.PENDING, State.RELEASING, State.EXECUTED, State.DENIED])
def test_reserving_what_is_not_approved_is_a_bug(state: State) -> None:
    """Our own code may never try it."""
    with pytest.raises(Impossible, match="this is a bug"):
        apply(hold(state=state), Reserve("att_1", "gate-0", "call_1"), T)


def test_an_approved_hold_with_a_spent_attempt_is_a_bug() -> None:
    """Whatever went wrong to get there, the use is not given a second time."""
    twice = replace(released(MarkSent("att_1")), state=State.APPROVED)
    with pytest.raises(Impossible, match="second use"):
        apply(twice, Reserve("att_2", "gate-0", "call_2"), T)


# --- the ground is gone ------------------------------------------------------------------------------------


def test_a_new_owner_voids_what_the_old_one_approved() -> None:
    """An unused approval goes back to pending, for the new owner, and the old votes count no more."""
    moved = after(approved(), recheck(approved(), owner="nora"))
    assert (moved.state, moved.owner, moved.use_by) == (State.PENDING, "nora", None)
    assert moved.votes[0].standing == "void"


def test_without_an_owner_nothing_is_left_to_approve() -> None:
    """An agent that lost its owner loses its holds."""
    for ground in (hold(), approved()):
        assert after(ground, recheck(ground, owner=None)).state is State.INVALIDATED


def test_a_vote_of_a_disabled_account_is_void() -> None:
    """The approval falls back to pending, and the person's seat is free again."""
    moved = after(approved(), recheck(approved(), gone="olga"))
    assert moved.state is State.PENDING
    assert after(moved, cast(moved, "dan")).state is State.APPROVED


def test_a_stronger_requirement_keeps_the_votes_and_asks_for_more() -> None:
    """An approved hold that now needs two people goes back to pending with one of two."""
    moved = after(approved(), recheck(approved(), requirement=TWO_SIGN))
    assert (moved.state, len(moved.approvals)) == (State.PENDING, 1)
    assert after(moved, cast(moved, "sven")).state is State.APPROVED


def test_an_unrelated_change_changes_nothing() -> None:
    """The same owner, voters and clauses: the approval stands."""
    assert not apply(approved(), recheck(approved()), T).changed


def test_a_change_of_role_after_the_vote_does_not_take_it_back() -> None:
    """A deputy whose time has ended since, but who is still there, has signed."""
    signed = after(hold(), cast(hold(), "dan"))
    now_empty = Eligibility(signed.requirement.clauses, {"owner": frozenset({"olga"})})
    same = Recheck("olga", signed.requirement, now_empty, frozenset({"dan"}))
    assert not apply(signed, same, T).changed


def test_a_call_on_its_way_is_not_rechecked() -> None:
    """A new owner does not undo a release that has begun."""
    assert not apply(released(), recheck(released(), owner="nora"), T).changed


# --- endings -------------------------------------------------------------------------------------------------


def test_an_agent_withdraws_only_its_own_and_only_while_it_waits() -> None:
    """Another agent's hold does not exist for it; an approved one is no longer its to end."""
    assert after(hold(), Withdraw("refunds")).state is State.CANCELLED
    with pytest.raises(HoldNotFound):
        apply(hold(), Withdraw("other"), T)
    with pytest.raises(AlreadyDecided):
        apply(approved(), Withdraw("refunds"), T)


def test_revoking_ends_whatever_was_not_sent() -> None:
    """Pending is cancelled, approved and reserved are revoked; what was sent cannot be called back."""
    stop = Revoke("person:olga", "revoked", "changed my mind")
    assert after(hold(), stop).state is State.CANCELLED
    assert after(approved(), stop).state is State.REVOKED
    reserved = after(released(), stop)
    assert (reserved.state, reserved.attempts[0].state) == (State.REVOKED, "not_sent")
    with pytest.raises(ReservationLost):
        apply(reserved, MarkSent("att_1"), T)
    with pytest.raises(TooLate, match="att_1"):
        apply(released(MarkSent("att_1")), stop, T)


def test_invalidating_ends_what_waits() -> None:
    """What was asked for is no more; a call on its way is not touched."""
    assert after(hold(), Invalidate("tool_changed")).closed_reason == "tool_changed"
    with pytest.raises(AlreadyDecided):
        apply(released(), Invalidate("tool_changed"), T)


def test_an_unknown_attempt_is_a_bug() -> None:
    """Only attempts of this hold can move it."""
    with pytest.raises(Impossible, match="unknown attempt"):
        apply(approved(), MarkSent("att_9"), T)


# --- any order of anything -------------------------------------------------------------------------------------


class Lives(RuleBasedStateMachine):
    """Moves in any order, at any time, by anyone."""

    attempts = Bundle("attempts")

    @initialize(root=st.sampled_from(["", "olga", "rita"]), two=st.booleans())
    def begin(self, root: str, two: bool) -> None:
        self.now = NOW
        self.hold = hold(root=root, **({"requirement": TWO_SIGN} if two else {}))
        self.numbers = 0
        self.sent: list[str] = []

    def make(self, move: Any) -> None:
        before = self.hold
        try:
            transition = apply(before, move, self.now)
        except (HoldError, Impossible):
            return
        assert transition.before == before
        assert transition.changed == (transition.after != before)
        if before.state in TERMINAL:
            assert replace(transition.after, votes=before.votes) == before, "a terminal state changed"
        if transition.after.state is State.APPROVED and before.state is State.PENDING:
            assert set(transition.after.approvals) - {before.root}
            assert self.now <= before.decide_by
        if isinstance(move, MarkSent):
            self.sent.append(move.attempt)
        if isinstance(move, GiveBack) and transition.changed and move.attempt in self.sent:
            self.sent.remove(move.attempt)  # the gate itself says that not one byte went
        self.hold = transition.after

    @rule(
        person=st.sampled_from(["olga", "dan", "sara", "sven", "rita"]),
        decision=st.sampled_from(["approve", "approve", "approve", "deny"]),
        reason=st.sampled_from(["", "no"]),
    )
    def vote(self, person: str, decision: str, reason: str) -> None:
        self.make(cast(self.hold, person, decision, reason))

    @rule(seconds=st.sampled_from([0, 1, 60, 400, 1000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.make(Tick())

    @rule(target=attempts)
    def reserve(self) -> str:
        self.numbers += 1
        self.make(Reserve(f"att_{self.numbers}", "gate-0", "call"))
        return f"att_{self.numbers}"

    @rule(attempt=attempts, kind=st.sampled_from([MarkSent, Finish, GiveBack, LoseTrack]))
    def attempt(self, attempt: str, kind: Any) -> None:
        extra = {Finish: (200,), GiveBack: ("w",), LoseTrack: ("w",)}.get(kind, ())
        self.make(kind(attempt, *extra))

    @rule(owner=st.sampled_from(["olga", "olga", "nora", None]), gone=st.sampled_from(["", "olga", "dan"]))
    def world_changes(self, owner: str | None, gone: str) -> None:
        self.make(recheck(self.hold, owner=owner, gone=gone))

    @rule(two=st.booleans())
    def policy_changes(self, two: bool) -> None:
        wanted = TWO_SIGN if two else Requirement((Clause(("owner", "deputy")),), 900, 600)
        self.make(recheck(self.hold, owner=self.hold.owner, requirement=wanted))

    @rule(
        move=st.sampled_from(
            [Withdraw("refunds"), Withdraw("x"), Revoke("proxy", "agent_revoked"), Invalidate("tool_changed")]
        )
    )
    def end(self, move: Any) -> None:
        self.make(move)

    @rule(executed=st.booleans())
    def reconcile(self, executed: bool) -> None:
        self.make(Reconcile("olga", executed, "seen"))

    @invariant()
    def one_use_only(self) -> None:
        live = [attempt for attempt in self.hold.attempts if attempt.state != "not_sent"]
        assert len(live) <= 1, "two uses of one approval"
        assert len(self.sent) <= 1, "two attempts were allowed to send"

    @invariant()
    def the_state_and_its_attempts_agree(self) -> None:
        states = {attempt.state for attempt in self.hold.attempts}
        assert (self.hold.state is State.RELEASING) == bool(states & {"reserved", "sent"})
        assert (self.hold.state is State.OUTCOME_UNKNOWN) <= ("unknown" in states)

    @invariant()
    def one_vote_a_person(self) -> None:
        people = [vote.person for vote in self.hold.votes]
        assert len(people) == len(set(people))

    @invariant()
    def an_end_has_a_time_and_a_cause(self) -> None:
        ended = self.hold.state in TERMINAL
        assert ended == (self.hold.closed_at is not None)
        assert ended == bool(self.hold.closed_reason)
        assert (self.hold.state in OPEN) <= (self.hold.closed_text == "")


Lives.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestLives = Lives.TestCase
