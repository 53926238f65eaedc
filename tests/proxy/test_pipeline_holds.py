"""Held calls: parked, approved, released exactly once, for exactly what was approved, under the rules of now."""

import asyncio
from datetime import UTC, datetime

import pytest

from proxy.facts import Held, OwnershipRules
from proxy.stages import Released
from tests.fakes.waiting import until
from tests.fakes.world import DENY_REFUNDS, INVENTORY, POLICIES, arrived, get, problem, refund, run

NEEDS_SECURITY = POLICIES.replace('@hold("owner")', '@hold("owner")\n@role("team:security")')


def test_a_call_is_parked_approved_and_released_exactly_once(tmp_path):
    """The exact request sent again after the approval passes, once; the next one is told that it was used."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        parked = await house.last("call.held")
        assert (parked["approval"], parked["decision"]["outcome"]) == ({"id": hold, "state": "requested"}, "hold")
        assert await house.held(refund(), evidence=given) == hold
        await house.approve(hold)
        released = await house.released(refund(), evidence=given)
        assert (released.claim.hold_id, released.claim.approved_by) == (hold, ("olivia",))
        resumed = await house.last("call.resumed")
        assert resumed["approval"]["by"] == ["olivia"]
        again = await house.refused(refund(), evidence=given)
        assert again["reason"] == "approval_consumed"
        house.answer(released)
        await house.pipeline.drain()
        assert await house.state(hold) == "executed"
        assert (await house.last("call.completed"))["approval"]["id"] == hold

    run(tmp_path, scenario)


@pytest.mark.parametrize("changed", [refund(45_001), refund(45_000, headers=(("user-agent", "other/2"),))])
def test_a_changed_request_is_another_request(tmp_path, changed):
    """One changed byte of what is done asks people anew; a header that does nothing does not."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)
        if changed.body == refund().body:
            house.answer(await house.released(changed, evidence=given))
        else:
            assert await house.held(changed, evidence=given) != hold
            assert await house.state(hold) == "approved"

    run(tmp_path, scenario)


def test_another_agent_gets_nothing_from_an_approval(tmp_path):
    """An approval is for this agent and this chain: another agent, and the same for another person, ask anew."""

    async def scenario(house):
        hold = await house.held(refund())
        await house.approve(hold)
        other = await house.evidence("other-bot")
        assert await house.held(refund(), evidence=other, connection="conn_2") != hold
        alone = await house.evidence(person=None)
        assert await house.held(refund(), evidence=alone, connection="conn_3") != hold

    run(tmp_path, scenario)


def test_twenty_at_once_make_one_hold_and_get_one_claim(tmp_path):
    """Twenty identical calls at once are one question to people; approved, exactly one of twenty passes."""

    async def scenario(house):
        given = await house.evidence()

        async def all_at_once():
            return await asyncio.gather(*(house.pipeline.admit_call(arrived(refund()), given) for _ in range(20)))

        holds = {problem(verdict)["hold_id"] for verdict in await all_at_once()}
        assert len(holds) == 1
        await house.approve(holds.pop())
        verdicts = await all_at_once()
        passed = [verdict for verdict in verdicts if isinstance(verdict, Released)]
        assert len(passed) == 1
        told = [problem(verdict) for verdict in verdicts if verdict is not passed[0]]
        assert {(one["reason"], one["executed"]) for one in told} == {("approval_consumed", False)}
        call = passed[0].decided.described.attributed.arrived.call_id
        assert {(one["used_by"]["call_id"], one["used_by"]["outcome"]) for one in told} == {(call, "under_way")}
        house.answer(passed[0])

    run(tmp_path, scenario)


def test_a_call_that_waits_on_the_line_is_released_when_approved(tmp_path):
    """Within the inline wait the approval releases the waiting call itself."""

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting_hold(house, call)
        await house.approve(hold)
        released = await call
        assert isinstance(released, Released), released
        assert released.claim.hold_id == hold
        assert await house.records("call.held") == []
        house.answer(released)

    run(tmp_path, scenario, wait=30.0)


async def waiting_hold(house, call) -> str:
    """The hold that this call waits for on the line."""
    await until(lambda: call.done() or bool(house.holds._ledger.waiters))
    assert not call.done(), call.result()
    return (await house.holds.list("open"))[0].id


def test_a_client_says_how_long_it_waits(tmp_path):
    """`Prefer: wait=0` parks at once; what is no number of seconds says nothing."""

    async def scenario(house):
        given = await house.evidence()
        assert await house.held(refund(headers=(("prefer", "respond-async, wait=0"),)), evidence=given)

    run(tmp_path, scenario, wait=30.0)


@pytest.mark.parametrize("prefer", ["wait=soon", "wait=99999", "wait=-1", "handling=strict", ""])
def test_a_strange_preference_is_no_preference(tmp_path, prefer):
    """The configured wait counts, not what cannot be read."""

    async def scenario(house):
        assert await house.held(refund(headers=(("prefer", prefer),)))

    run(tmp_path, scenario)


@pytest.mark.parametrize("when", ["parked", "on the line"])
def test_an_approval_does_not_overrule_a_denial(tmp_path, when):
    """Rules that deny by the time of release refuse; an approval already reserved for the call ends."""

    async def scenario(house):
        given = await house.evidence()
        if when == "parked":
            hold = await house.held(refund(), evidence=given)
            await house.approve(hold)
            await house.edit(policies=POLICIES + DENY_REFUNDS)
            refused = await house.refused(refund(), evidence=given)
            assert refused["reason"] == "forbidden"
            assert await house.state(hold) == "approved"
        else:
            call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
            hold = await waiting_hold(house, call)
            await house.edit(policies=POLICIES + DENY_REFUNDS)
            await house.approve(hold)
            assert problem(await call)["reason"] == "forbidden"
            assert await house.state(hold) == "invalidated"
            record = await house.last("call.refused")
            assert (record["decision"]["outcome"], record["approval"]["id"]) == ("deny", hold)
        assert await house.records("call.resumed") == []

    run(tmp_path, scenario, wait=0.0 if when == "parked" else 30.0)


def test_an_approval_of_a_tool_that_has_changed_ends(tmp_path):
    """The tool's definition is part of what was approved: changed while the call waited, it is asked anew."""

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting_hold(house, call)
        await house.edit(inventory=INVENTORY.replace("file:SECRET_FILE", "env:ANOTHER_KEY"))
        await house.approve(hold)
        assert problem(await call)["reason"] == "approval_invalidated"
        assert await house.state(hold) == "invalidated"

    run(tmp_path, scenario, wait=30.0)


def test_rules_that_ask_for_more_people_meanwhile_are_heard(tmp_path):
    """Signed by the owner, while the rules now want security too: refused, and the use is given back."""

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting_hold(house, call)
        await house.edit(policies=NEEDS_SECURITY)
        await house.approve(hold)
        assert problem(await call)["reason"] == "approval_requirements_changed"
        assert await house.state(hold) == "approved"

    run(tmp_path, scenario, wait=30.0)


def test_an_agent_ended_while_its_call_waits_is_not_released(tmp_path):
    """The approval came, and so did the revocation: refused, and nothing was recorded as released."""

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting_hold(house, call)
        await house.revocations.revoke("agent:support-bot", "operator", "stolen", house.clock())
        await house.approve(hold)
        assert problem(await call)["reason"] == "agent_revoked"
        assert await house.records("call.resumed") == []
        assert await house.state(hold) == "approved"

    run(tmp_path, scenario, wait=30.0)


def test_a_denied_call_stays_denied(tmp_path):
    """A person's no is the answer to the same request again, with their reason in words."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.deny(hold)
        for _ in range(2):
            document = await house.refused(refund(), evidence=given)
            assert document["reason"] == "approval_denied"
            assert "no ticket" in document["detail"]
        assert (await house.last("call.refused"))["approval"] == {"id": hold, "state": "denied"}

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("ending", "state"), [("answered", "executed"), ("unsent", "approved"), ("lost", "outcome_unknown")]
)
def test_how_a_held_call_ended_is_known(tmp_path, ending, state):
    """Answered: spent. Not sent: given back, and usable again. Sent without an answer: nobody knows, so never again."""

    async def scenario(house):
        given = await house.evidence()
        hold = await house.held(refund(), evidence=given)
        await house.approve(hold)
        released = await house.released(refund(), evidence=given)
        if ending == "answered":
            house.answer(released, 500)
        elif ending == "unsent":
            house.pipeline.unsent(released, "connection refused")
        else:
            house.answer(released, 0, error="connection lost")
        await house.pipeline.drain()
        assert await house.state(hold) == state
        verdict = await house.admit(refund(), evidence=given)
        if ending == "unsent":
            assert isinstance(verdict, Released)
            house.answer(verdict)
        else:
            expected = {"answered": "approval_consumed", "lost": "approval_outcome_unknown"}[ending]
            assert problem(verdict)["reason"] in {expected, "approval_pending"}

    run(tmp_path, scenario)


def test_a_call_below_the_limit_is_not_held(tmp_path):
    """The rule holds what it names, and nothing else."""

    async def scenario(house):
        house.answer(await house.released(refund(100)))
        house.answer(await house.released(get()))
        assert await house.holds.list() == []

    run(tmp_path, scenario)


MIDNIGHT = datetime(2026, 11, 19, tzinfo=UTC).timestamp()
ENDS = "owner: olivia, team: support, purpose: refunds, expires: 2099-01-01, review_due: 2099-01-01"
EXPIRES = INVENTORY.replace(ENDS, ENDS.replace("expires: 2099-01-01", "expires: 2026-11-19"))
DUE = INVENTORY.replace(ENDS, ENDS.replace("review_due: 2099-01-01", "review_due: 2026-11-18"))


async def day(house, seconds):
    """So many seconds after the day ended; revocations are heard of all the while."""
    house.clock.now = MIDNIGHT + seconds
    await house.hear()


async def signed_before_midnight(house):
    """The evidence of a call, and its hold that was approved a minute before the day ended; the day has ended."""
    await day(house, -60)
    given = await house.evidence()
    hold = await house.held(refund(), evidence=given)
    await house.approve(hold)
    await day(house, 60)
    return given, hold


@pytest.mark.parametrize(
    ("inventory", "reason"), [(EXPIRES, "agent_expired"), (DUE, "agent_review_overdue")], ids=["expired", "overdue"]
)
def test_an_approval_of_the_day_before_does_not_let_an_ended_agent_call(tmp_path, inventory, reason):
    """Its time to be used is not over, and the agent's is."""

    async def scenario(house):
        given, _ = await signed_before_midnight(house)
        assert (await house.refused(refund(), evidence=given))["reason"] == reason
        assert await house.records("call.resumed") == []

    run(tmp_path, scenario, inventory=inventory)


def test_an_approval_from_before_a_review_was_overdue_is_asked_for_anew(tmp_path):
    """Where overdue means held: whoever signed it did not read of that, so their word lets nothing pass."""

    async def scenario(house):
        given, hold = await signed_before_midnight(house)
        refused = await house.refused(refund(), evidence=given)
        assert (refused["reason"], refused["hold_id"]) == ("approval_invalidated", hold)
        anew = await house.held(refund(), evidence=given)
        assert anew != hold
        await house.approve(anew)
        assert (await house.released(refund(), evidence=given)).claim.hold_id == anew

    run(tmp_path, scenario, inventory=DUE, rules=OwnershipRules(review_overdue="hold"))


def test_a_call_that_waits_over_midnight_is_not_released_by_who_did_not_know(tmp_path):
    """Signed after the review was overdue, on a card that does not say so: refused, and the use is given back."""

    async def scenario(house):
        await day(house, -60)
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(refund()), given))
        hold = await waiting_hold(house, call)
        await day(house, 60)
        await house.approve(hold)
        assert problem(await call)["reason"] == "approval_requirements_changed"
        assert await house.records("call.resumed") == []

    run(tmp_path, scenario, inventory=DUE, rules=OwnershipRules(review_overdue="hold"), wait=30.0)


def test_an_approval_does_not_outlive_the_owner_who_gave_it(tmp_path):
    """Gone between the signature and its use: refused, also where a deputy answers, who must sign anew."""
    deputy = "owner: olivia, deputies: [{person: bob, start: 2020-01-01, end: 2099-01-01}], team: support"
    inventory = INVENTORY.replace("owner: olivia, team: support", deputy)

    async def refused(house):
        given, _ = await signed_before_midnight(house)
        house.keeper.hold(Held(deactivated=frozenset({"olivia"})))
        assert (await house.refused(refund(), evidence=given))["reason"] == "agent_owner_inactive"

    async def handed_over(house):
        given, hold = await signed_before_midnight(house)
        house.keeper.hold(Held(deactivated=frozenset({"olivia"})))
        assert await house.held(refund(), evidence=given) == hold
        await house.approve(hold, "bob")
        assert (await house.released(refund(), evidence=given)).claim.approved_by == ("bob",)

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    run(tmp_path / "a", refused, inventory=inventory)
    run(tmp_path / "b", handed_over, inventory=inventory, rules=OwnershipRules(when_owner_leaves="deputy"))
