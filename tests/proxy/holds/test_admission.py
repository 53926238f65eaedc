"""A held call at the gate, on the real store."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from policies.model import Outcome, Requirement
from proxy.errors import Refused, StoreUnavailable
from proxy.facts import Instances
from proxy.holds.interfaces import HoldQuery
from proxy.holds.mistakes import NotEligible
from proxy.holds.model import Hold, State
from proxy.holds.service import HoldOptions
from proxy.stages import Claim, Decided, Restraint
from telemetry.errors import AuditUnavailable
from tests.fakes.held_calls import NOW, OWNER_SIGNS, TWO_SIGN, Desk, decided, inventory
from tests.fakes.waiting import PATIENCE, until
from tests.proxy.storage.opening import opened

PATIENT = HoldOptions(inline_wait=30.0)

type Story = Callable[[Desk], Coroutine[Any, Any, None]]


def told(place: Path, story: Story, **desk: Any) -> None:
    """Runs a story at a desk over a real store in this folder."""

    async def run() -> None:
        async with opened(place) as store:
            await story(Desk(store, **desk))

    asyncio.run(run())


async def refusal(desk: Desk, call: Decided | None = None, prefer_wait: float | None = None) -> Any:
    """The refusal of a call that must not get through."""
    with pytest.raises(Refused) as refused:
        await desk.service.admit(call or decided(), prefer_wait=prefer_wait)
    return refused.value.refusal


async def parked(desk: Desk, call: Decided | None = None) -> str:
    """The id of the hold that this call is parked at."""
    answer = await refusal(desk, call)
    assert answer.reason == "approval_pending", answer
    return str(answer.extra["hold_id"])


async def only(desk: Desk) -> Hold:
    (found,) = await desk.store.list_holds(HoldQuery())
    return found


async def waiting(desk: Desk, count: int, *calls: Decided) -> tuple[str, list[asyncio.Task[Claim]]]:
    """The hold, and as many calls that wait for it."""
    tasks = [asyncio.create_task(desk.service.admit(calls[0] if calls else decided())) for _ in range(count)]
    hold_id = ""
    async with asyncio.timeout(PATIENCE):
        while not hold_id or desk.service._ledger.waiters.count(hold_id) < count:
            await asyncio.to_thread(lambda: None)
            for found in await desk.store.list_holds(HoldQuery()):
                hold_id = found.id
    return hold_id, tasks


# --- parked -----------------------------------------------------------------------------------------


def test_a_held_call_is_durable_and_on_record_before_its_answer(tmp_path: Path) -> None:
    """The 428 tells the hold's id, and by then the hold is stored, recorded and notified, once."""

    async def story(desk: Desk) -> None:
        answer = await refusal(desk)
        stored = await only(desk)
        assert (answer.status, answer.reason, answer.next_action) == (428, "approval_pending", "wait")
        assert answer.extra["hold_id"] == stored.id
        assert stored.state is State.PENDING
        assert desk.records.types() == ["approval.requested"]
        assert desk.notified == [("hold.created", stored.id)]

    told(tmp_path, story)


def test_the_same_call_again_joins_its_hold(tmp_path: Path) -> None:
    """Same id, no second record, no second notification, also after a restart."""

    async def story(desk: Desk) -> None:
        first = await parked(desk)
        assert await parked(desk) == first
        restarted = Desk(desk.store)
        assert await parked(restarted) == first
        assert len(desk.notified) == 1
        assert restarted.notified == []

    told(tmp_path, story)


def test_one_changed_argument_is_another_hold(tmp_path: Path) -> None:
    """An approval of one call is no use to a call that differs in anything."""

    async def story(desk: Desk) -> None:
        first = await parked(desk)
        await desk.approve(first)
        other = await parked(desk, decided({"amount": 451, "customer": "c_8812"}))
        assert other != first
        found = await desk.store.load_hold(first)
        assert found.state is State.APPROVED

    told(tmp_path, story)


def test_another_chain_does_not_get_the_approval(tmp_path: Path) -> None:
    """The same agent with the same call, but for somebody, is held by itself."""

    async def story(desk: Desk) -> None:
        first = await parked(desk)
        await desk.approve(first)
        assert await parked(desk, decided(root="rita")) != first

    told(tmp_path, story)


def test_a_replay_after_the_approval_gets_the_one_claim(tmp_path: Path) -> None:
    """The exact call passes once, naming who approved; while it is on its way, an identical one does not."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        assert (claim.hold_id, claim.approved_by) == (hold_id, ("olga",))
        second = await refusal(desk)
        assert (second.status, second.reason) == (422, "approval_consumed")

    told(tmp_path, story)


def test_after_execution_the_same_call_is_held_anew(tmp_path: Path) -> None:
    """The new card says which identical call was executed."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        await desk.service.sent(claim)
        await desk.service.finished(claim, 200)
        again = await parked(desk)
        assert again != hold_id
        card = (await desk.service.get(again)).card
        assert card["identical_to"] == {"hold_id": hold_id, "executed_at": "2026-09-21T14:13:20Z"}

    told(tmp_path, story)


# --- waiting inline -----------------------------------------------------------------------------------------


def test_a_waiting_call_is_released_by_the_approval(tmp_path: Path) -> None:
    """Nobody needs to ask again: the vote wakes the call that waits."""

    async def story(desk: Desk) -> None:
        hold_id, (call,) = await waiting(desk, 1)
        assert (await desk.service.get(hold_id)).waiting == 1
        await desk.approve(hold_id)
        assert (await call).hold_id == hold_id

    told(tmp_path, story, options=PATIENT)


def test_a_waiting_call_is_told_of_the_denial(tmp_path: Path) -> None:
    """A denial ends the wait at once, with its reason."""

    async def story(desk: Desk) -> None:
        hold_id, (call,) = await waiting(desk, 1)
        await desk.deny(hold_id, reason="too much")
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.refusal.reason == "approval_denied"
        assert "too much" in refused.value.refusal.detail

    told(tmp_path, story, options=PATIENT)


def test_twenty_calls_at_once_are_one_hold_and_one_claim(tmp_path: Path) -> None:
    """One hold, one notification, one claim; the others are told that it is used."""

    async def story(desk: Desk) -> None:
        hold_id, calls = await waiting(desk, 20)
        await desk.approve(hold_id)
        (first,) = (await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED))[0]
        claim = first.result()
        await desk.service.sent(claim)
        await desk.service.finished(claim, 201)
        rest = await asyncio.gather(*(call for call in calls if call is not first), return_exceptions=True)
        refusals = [refused.refusal for refused in rest if isinstance(refused, Refused)]
        assert {refusal.reason for refusal in refusals} == {"approval_consumed"}
        used = [refusal.extra["used_by"] for refusal in refusals]
        assert all(isinstance(one, dict) and one["attempt_id"] == claim.attempt_id for one in used)
        # they waited on for what became of the first, as long as they wait at all
        assert {(one["outcome"], one["status"]) for one in used if isinstance(one, dict)} == {("answered", 201)}
        assert len(rest) == 19
        assert not [claimed for claimed in rest if isinstance(claimed, Claim)]
        assert desk.records.types().count("approval.requested") == 1
        assert desk.records.types().count("approval.reserved") == 1

    told(tmp_path, story, options=PATIENT)


def test_a_waiter_and_a_replay_in_another_process_race_for_one_use(tmp_path: Path) -> None:
    """Waiter here, approval there, replays in both: exactly one claim."""

    async def story(desk: Desk) -> None:
        async with opened(tmp_path) as store:
            other = Desk(store)
            hold_id, (call,) = await waiting(desk, 1)
            await desk.service.changed()
            await other.approve(hold_id)
            replays = [where.service.admit(decided(), prefer_wait=0) for where in (other, desk, other)]
            _, *outcomes = await asyncio.gather(desk.service.changed(), *replays, return_exceptions=True)
            claims = [outcome for outcome in outcomes if isinstance(outcome, Claim)]
            if not claims:
                claims.append(await call)
            assert len(claims) == 1
            await desk.service.sent(claims[0])
            await desk.service.finished(claims[0], 200)
            if not call.done():
                with pytest.raises(Refused):
                    await call

    told(tmp_path, story, options=PATIENT)


def test_the_feed_wakes_a_waiter_of_another_process(tmp_path: Path) -> None:
    """What another process approved releases the call here as soon as the change is heard of."""

    async def story(desk: Desk) -> None:
        async with opened(tmp_path) as store:
            hold_id, (call,) = await waiting(desk, 1)
            await desk.service.changed()
            await Desk(store).approve(hold_id)
            assert not call.done()
            await desk.service.changed()
            assert (await call).hold_id == hold_id

    told(tmp_path, story, options=PATIENT)


def test_a_use_that_is_given_back_goes_to_the_next_waiter(tmp_path: Path) -> None:
    """What was not sent by one call can be sent by an identical one that waits."""

    async def story(desk: Desk) -> None:
        hold_id, calls = await waiting(desk, 2)
        await desk.approve(hold_id)
        (first,) = (await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED))[0]
        await desk.service.not_sent(first.result(), "client left")
        second = await next(call for call in calls if call is not first)
        assert second.attempt_id != first.result().attempt_id

    told(tmp_path, story, options=PATIENT)


@pytest.mark.parametrize(("asked", "granted"), [(None, 4.0), (0.0, 0.0), (20.0, 20.0), (3600.0, 50.0), (-1.0, 0.0)])
def test_the_wait_is_bounded(tmp_path: Path, asked: float | None, granted: float) -> None:
    """Four seconds for a client that says nothing, at most fifty for one that asks."""

    async def story(desk: Desk) -> None:
        assert desk.service._admission._patience(asked) == granted

    told(tmp_path, story, options=HoldOptions())


def test_the_wait_ends_with_the_time_to_decide(tmp_path: Path) -> None:
    """A call does not wait for a hold that has expired meanwhile: it is told so."""

    async def story(desk: Desk) -> None:
        _, (call,) = await waiting(desk, 1)
        desk.clock.now += 901
        desk.service._ledger.waiters.wake_all()
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.refusal.reason == "approval_expired"

    told(tmp_path, story, options=PATIENT)


def test_a_caller_that_goes_away_while_reserving_leaves_the_use(tmp_path: Path) -> None:
    """Cancelled at any point of the admission, the use is free again and the next replay gets it."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        for turns in range(0, 60, 3):
            call = asyncio.create_task(desk.service.admit(decided()))
            for _ in range(turns):
                await asyncio.to_thread(lambda: None)
            call.cancel()
            await asyncio.wait([call])
            if not call.cancelled():
                await desk.service.not_sent(call.result(), "too late to cancel")
            await desk.service.settle()
            found = await desk.store.load_hold(hold_id)
            assert found.state is State.APPROVED
        assert (await desk.service.admit(decided())).hold_id == hold_id

    told(tmp_path, story)


# --- remembered endings --------------------------------------------------------------------------------------------


def test_a_denied_call_is_refused_at_once_without_a_new_card(tmp_path: Path) -> None:
    """In the same task the denial stands for a day; then, or in another task, people are asked again."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.deny(hold_id)
        for _ in range(3):
            answer = await refusal(desk)
            assert (answer.status, answer.reason, answer.extra["hold_id"]) == (403, "approval_denied", hold_id)
        assert len(desk.notified) == 3  # created, voted, denied
        assert await parked(desk, decided(task="task_2")) != hold_id
        assert (await refusal(desk)).reason == "approval_denied"  # whatever happens in the other task
        desk.clock.now += 86_401
        assert await parked(desk, decided(not_after=NOW + 1e6)) != hold_id

    told(tmp_path, story)


@pytest.mark.parametrize(
    ("approve", "later", "reason"), [(False, 901, "approval_expired"), (True, 601, "approval_lapsed")]
)
def test_an_end_by_the_clock_is_told_once_and_then_asked_anew(
    tmp_path: Path, approve: bool, later: float, reason: str
) -> None:
    """The first resend learns that time ran out; only the next one makes a new hold."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        if approve:
            await desk.approve(hold_id)
        desk.clock.now += later
        answer = await refusal(desk)
        assert (answer.status, answer.reason, answer.next_action) == (403, reason, "request")
        assert await parked(desk) != hold_id

    told(tmp_path, story)


def test_an_end_of_long_ago_is_not_told(tmp_path: Path) -> None:
    """Hours later the same call is simply asked for again."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        desk.clock.now += 901
        await desk.service.sweep(desk.clock())
        desk.clock.now += 3601
        assert await parked(desk) != hold_id

    told(tmp_path, story)


def test_a_call_with_unknown_outcome_is_not_repeated(tmp_path: Path) -> None:
    """Not in this task, not in another, until a person has found out."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        claim = await desk.service.admit(decided())
        await desk.service.sent(claim)
        await desk.service.unknown(claim, "connection reset")
        for call in (decided(), decided(task="task_2"), decided()):
            assert (await refusal(desk, call)).reason == "approval_outcome_unknown"
        await desk.service.reconcile(hold_id, "olga", executed=False, evidence="ledger", now=NOW)
        assert await parked(desk) != hold_id

    told(tmp_path, story)


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "limit"),
    [
        (HoldOptions(inline_wait=0, open_per_agent=2), "open_per_agent"),
        (HoldOptions(0, new_per_minute=2), "new_per_minute"),
    ],
)
def test_an_agent_that_asks_too_much_is_refused(tmp_path: Path, options: HoldOptions, limit: str) -> None:
    """Above a limit nothing is stored and nobody is notified; joining an open hold is still free."""

    async def story(desk: Desk) -> None:
        calls = [decided({"amount": number}) for number in range(3)]
        first = await parked(desk, calls[0])
        await parked(desk, calls[1])
        answer = await refusal(desk, calls[2])
        assert (answer.status, answer.reason, answer.extra["limit"]) == (429, "hold_limit", limit)
        assert len(await desk.store.list_holds(HoldQuery())) == 2
        assert await parked(desk, calls[0]) == first

    told(tmp_path, story, options=options)


# --- the ground is gone ----------------------------------------------------------------------------------------------


def test_a_new_owner_voids_an_unused_approval(tmp_path: Path) -> None:
    """The replay is parked again, for the new owner; the old owner can no longer decide it."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        desk.world = inventory(version="v2", owner="nora")
        assert await parked(desk) == hold_id
        view = await desk.service.get(hold_id)
        assert (view.state, view.owner) == (State.PENDING, "nora")
        assert "olga" not in view.may_decide
        await desk.approve(hold_id, "nora")
        assert (await desk.service.admit(decided())).approved_by == ("nora",)

    told(tmp_path, story)


def test_an_approver_who_left_has_not_approved(tmp_path: Path) -> None:
    """Disabled between vote and release: the vote is void, and somebody else must sign."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id, "dan")
        desk.world = inventory(version="v2", inactive=("dan",))
        assert await parked(desk) == hold_id
        await desk.approve(hold_id, "olga")
        assert (await desk.service.admit(decided())).approved_by == ("olga",)

    told(tmp_path, story)


def test_an_agent_without_an_owner_loses_its_approval(tmp_path: Path) -> None:
    """Whatever the pipeline thinks, there is no claim for an agent that nobody answers for."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk))
        desk.world = inventory(version="v2", owner=None)
        answer = await refusal(desk)
        assert (answer.reason, answer.extra["reason_code"]) == ("approval_invalidated", "owner_missing")

    told(tmp_path, story)


def test_a_stronger_policy_asks_for_the_second_person(tmp_path: Path) -> None:
    """An approved call whose policy now needs two is parked again, with one signature kept."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        assert await parked(desk, decided(requirement=TWO_SIGN)) == hold_id
        await desk.approve(hold_id, "sara")
        assert (await desk.service.admit(decided(requirement=TWO_SIGN))).approved_by == ("olga", "sara")

    told(tmp_path, story)


def test_a_claim_is_confirmed_against_the_newest_decision(tmp_path: Path) -> None:
    """What was signed for one person's clause is not enough for two, for another call, or for nobody's."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk))
        claim = await desk.service.admit(decided())
        await desk.service.confirm(claim, decided())
        await desk.service.confirm(claim, decided(outcome=Outcome.ALLOW))
        for newer in (decided(requirement=TWO_SIGN), decided({"amount": 451}), decided(requirement=None)):
            with pytest.raises(Refused) as refused:
                await desk.service.confirm(claim, newer)
            assert refused.value.refusal.reason in {"approval_requirements_changed", "approval_impossible"}
        await desk.service.not_sent(claim, "approval_requirements_changed")
        assert (await refusal(desk, decided(requirement=TWO_SIGN))).reason == "approval_pending"

    told(tmp_path, story)


def test_an_unrelated_edit_of_policy_or_inventory_still_releases(tmp_path: Path) -> None:
    """Only what the approval stands on counts: not versions."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk))
        desk.world = inventory(version="v9")
        call = decided()
        newer = replace(call, decision=replace(call.decision, policy_version="p9"))
        assert await desk.service.admit(newer)

    told(tmp_path, story)


# --- failures --------------------------------------------------------------------------------


class Failing:
    """A store that stops answering at one method."""

    def __init__(self, store: Any, method: str) -> None:
        self._store, self._method = store, method

    def __getattr__(self, name: str) -> Any:
        if name != self._method:
            return getattr(self._store, name)

        async def fail(*_: Any, **__: Any) -> None:
            raise StoreUnavailable("no")

        return fail


@pytest.mark.parametrize(
    "method",
    ["last_denial", "latest_hold", "last_executed", "create_hold", "load_hold", "unrecorded_events", "mark_recorded"],
)
def test_without_a_store_nothing_is_admitted(tmp_path: Path, method: str) -> None:
    """Whatever the store cannot do while a hold is made, the call is refused."""

    async def story(desk: Desk) -> None:
        with pytest.raises(StoreUnavailable):
            await Desk(Failing(desk.store, method)).service.admit(decided())

    told(tmp_path, story)


@pytest.mark.parametrize("method", ["load_hold", "unrecorded_events", "apply_transition"])
def test_without_a_store_nothing_is_released(tmp_path: Path, method: str) -> None:
    """An approved call is refused, and passes once the store answers again."""

    async def story(desk: Desk) -> None:
        await desk.approve(await parked(desk))
        failing = Desk(Failing(desk.store, method))
        with pytest.raises(StoreUnavailable):
            await failing.service.admit(decided())
        await failing.service.settle()
        assert await desk.service.admit(decided())

    told(tmp_path, story)


def test_without_a_record_nothing_is_released(tmp_path: Path) -> None:
    """If the reservation cannot be recorded there is no claim, and its use is given back."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id)
        desk.records.broken = AuditUnavailable("disk full")
        with pytest.raises(AuditUnavailable):
            await desk.service.admit(decided())
        await desk.service.settle()
        assert (await desk.store.load_hold(hold_id)).state is State.APPROVED
        desk.records.broken = None
        assert await desk.service.admit(decided())
        kinds = desk.records.types()
        assert kinds.count("approval.reserved") == 2  # the one that came to nothing is told too, later
        assert kinds.count("approval.not_sent") == 1

    told(tmp_path, story)


def test_a_request_that_is_not_on_record_is_recorded_before_the_release(tmp_path: Path) -> None:
    """A hold whose first record failed is there; nothing is released before that record is written."""

    async def story(desk: Desk) -> None:
        desk.records.broken = AuditUnavailable("disk full")
        with pytest.raises(AuditUnavailable):
            await desk.service.admit(decided())
        desk.records.broken = None
        await desk.approve((await only(desk)).id)
        await desk.service.admit(decided())
        assert desk.records.types()[0] == "approval.requested"

    told(tmp_path, story)


def test_a_hold_that_nobody_is_named_to_sign_is_a_refusal(tmp_path: Path) -> None:
    """No requirement, or one without clauses: no hold is made, and nothing passes."""

    async def story(desk: Desk) -> None:
        for requirement in (None, Requirement((), 900, 600)):
            answer = await refusal(desk, decided(requirement=requirement))
            assert (answer.status, answer.reason) == (403, "approval_impossible")
        assert await desk.store.list_holds(HoldQuery()) == []

    told(tmp_path, story)


@pytest.mark.parametrize("outcome", [Outcome.ALLOW, Outcome.DENY])
def test_only_a_held_call_is_admitted(tmp_path: Path, outcome: Outcome) -> None:
    """An approval answers a hold: it never overrules a denial."""

    async def story(desk: Desk) -> None:
        with pytest.raises(RuntimeError, match="this is a bug"):
            await desk.service.admit(decided(outcome=outcome))

    told(tmp_path, story)


def test_the_time_to_decide_ends_with_the_credential(tmp_path: Path) -> None:
    """Nobody decides for a credential that has ended; and no clock is longer than its cap."""

    async def story(desk: Desk) -> None:
        await parked(desk, decided(not_after=NOW + 100))
        assert (await only(desk)).decide_by == NOW + 100
        await parked(desk, decided({"x": 1}, requirement=replace(TWO_SIGN, decide_within=10**9), not_after=NOW + 10**9))
        newest = await desk.store.list_holds(HoldQuery(limit=5))
        assert max(found.decide_by for found in newest) == NOW + 7 * 86_400

    told(tmp_path, story)


def test_nobody_eligible_is_seen_and_ends_in_refusal(tmp_path: Path) -> None:
    """The hold is made, its view says that nobody can sign it, and at `decide_by` it is refused."""

    async def story(desk: Desk) -> None:
        desk.world = inventory(inactive=("olga", "dan"))
        with pytest.raises(Refused):
            await desk.service.admit(decided())
        view = await desk.service.get((await only(desk)).id)
        assert view.problem == "no_eligible_approver"
        desk.clock.now += 901
        assert (await refusal(desk)).reason == "approval_expired"

    told(tmp_path, story)


def test_waiting_leaves_nothing_behind(tmp_path: Path) -> None:
    """A parked call keeps nothing in memory."""

    async def story(desk: Desk) -> None:
        await parked(desk)
        await until(lambda: not desk.service._ledger.waiters)

    told(tmp_path, story)


RESTRAINED = (Restraint("agent_frozen", "frozen: agent:refunds", NOW),)
TOLD = replace(OWNER_SIGNS, rules=("agent_frozen",))  # as `restrained` has it
OVERDUE = (Restraint("agent_review_overdue", "was due", NOW - 86_400),)


@pytest.mark.parametrize("signed", [False, True])
def test_what_was_asked_before_a_freeze_is_asked_anew(tmp_path: Path, signed: bool) -> None:
    """Whoever signs it, or has signed it, does not read of the freeze: it ends, is told once, and a new one begins."""

    async def story(desk: Desk) -> None:
        before = await parked(desk)
        if signed:
            await desk.approve(before)
        answer = await refusal(desk, decided(restraints=RESTRAINED, requirement=TOLD))
        assert (answer.reason, answer.extra["hold_id"]) == ("approval_invalidated", before)
        desk.clock.now += 1
        assert await parked(desk, decided(restraints=RESTRAINED, requirement=TOLD)) != before

    told(tmp_path, story)


@pytest.mark.parametrize("signed", [False, True])
def test_what_did_not_say_that_a_review_is_overdue_is_asked_anew(tmp_path: Path, signed: bool) -> None:
    """Even if the review was due long before it was asked for, as an edit of the date can have it."""

    async def story(desk: Desk) -> None:
        before = await parked(desk)
        if signed:
            await desk.approve(before)
        overdue = decided(restraints=OVERDUE, requirement=replace(OWNER_SIGNS, rules=("agent_review_overdue",)))
        assert (await refusal(desk, overdue)).reason == "approval_invalidated"
        anew = await parked(desk, overdue)
        assert anew != before
        assert await parked(desk, overdue) == anew

    told(tmp_path, story)


def test_what_was_asked_since_a_freeze_is_joined(tmp_path: Path) -> None:
    """The same call again waits for the same people, and their approval is used."""

    async def story(desk: Desk) -> None:
        call = decided(restraints=(replace(RESTRAINED[0], since=NOW - 1),), requirement=TOLD)
        hold = await parked(desk, call)
        told = await refusal(desk, call)
        assert (told.extra["hold_id"], told.extra["reason_code"]) == (hold, "agent_frozen")
        assert "frozen: agent:refunds" not in told.detail, "what people wrote is theirs"
        await desk.approve(hold)
        claim = await desk.service.admit(call)
        await desk.service.confirm(claim, call)
        assert claim.hold_id == hold

    told(tmp_path, story)


def test_a_call_that_waited_through_a_freeze_is_not_confirmed(tmp_path: Path) -> None:
    """Its approval is from somebody who did not know."""

    async def story(desk: Desk) -> None:
        hold = await parked(desk)
        await desk.approve(hold)
        claim = await desk.service.admit(decided())
        with pytest.raises(Refused, match="approval_requirements_changed"):
            await desk.service.confirm(claim, decided(restraints=RESTRAINED, requirement=TOLD))
        overdue = decided(restraints=OVERDUE, requirement=replace(OWNER_SIGNS, rules=("agent_review_overdue",)))
        with pytest.raises(Refused, match="approval_requirements_changed"):
            await desk.service.confirm(claim, overdue)

    told(tmp_path, story)


def _of_copy(instance: str, owner: str) -> Decided:
    """The same refund, asked for by this running copy, for which this person answers."""
    asked = decided()
    attributed = asked.described.attributed
    copies = Instances(issuer="https://id.example", subject="refunds/{instance}", owners={"blue": "dora"})
    identity = replace(
        attributed.identity,
        agent=attributed.identity.agent.model_copy(update={"instances": (copies,)}),
        owner=inventory().people[owner],
        proven=replace(attributed.identity.proven, instance=instance),
    )
    return replace(asked, described=replace(asked.described, attributed=replace(attributed, identity=identity)))


def test_what_is_signed_for_one_copy_releases_no_copy_that_somebody_else_answers_for(tmp_path: Path) -> None:
    """The owner of a copy signs for it, and for nothing else; the agent's owner not for that copy."""
    blue, green = _of_copy("blue", "dora"), _of_copy("green", "olga")
    agent = blue.described.attributed.identity.agent
    world = inventory().model_copy(update={"agents": {"refunds": agent}})

    async def story(desk: Desk) -> None:
        of_blue, of_green = await parked(desk, blue), await parked(desk, green)
        assert of_blue != of_green
        for hold_id, person in ((of_blue, "olga"), (of_green, "dora")):
            with pytest.raises(NotEligible):
                await desk.approve(hold_id, person)
        assert (await desk.approve(of_blue, "dora")).state is State.APPROVED
        assert (await refusal(desk, green)).reason == "approval_pending"
        assert (await desk.service.admit(blue)).hold_id == of_blue
        assert await parked(desk, _of_copy("", "olga")) == of_green

    told(tmp_path, story, world=world)
