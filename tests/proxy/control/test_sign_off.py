"""Seeing and deciding held calls: who, of what exactly, and with what on record."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from proxy.errors import Refused
from proxy.holds.view import HoldView
from telemetry.ids import new_id
from tests.fakes.control_house import GIVEN, House


def ballot(view: HoldView, **other: Any) -> dict[str, Any]:
    return {"action_digest": view.action_digest, "row_version": view.row_version, "reason": "seen"} | other


async def post(house: House, person: str, view: HoldView, decision: str, **other: Any) -> httpx.Response:
    async with await house.person(person) as client:
        return await client.post(f"/v1/holds/{view.id}/{decision}", json=ballot(view, **other))


def test_the_owner_approves_and_it_is_written_down_before(house: House) -> None:
    """The vote is in the log, with who, how and what, before the hold changes."""

    async def scenario() -> None:
        view = await house.hold()
        house.log.records.clear()
        answer = await post(house, "alice", view, "approve")
        assert answer.status_code == 200
        assert answer.json()["state"] == "approved"
        first = house.log.records[0]
        assert first["type"] == "approval.vote_received"
        assert first["change"]["by"] == "person:alice"
        assert first["change"]["kind"] == "approve"
        assert f"action={view.action_digest}" in first["change"]["details"]
        vote = (await house.holds.get(view.id)).votes[0]
        assert (vote.person, vote.channel, vote.assurance) == ("alice", "api", "token")

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_decided(house: House) -> None:
    """With a broken log the vote is refused and the hold stays as it was."""

    async def scenario() -> None:
        view = await house.hold()
        house.log.broken = True
        answer = await post(house, "alice", view, "approve")
        assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
        house.log.broken = False
        now = await house.holds.get(view.id)
        assert (now.state, now.votes) == ("pending", ())

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"row_version": 99}, "stale"),
        ({"action_digest": "sha256:" + "0" * 64}, "stale"),
        ({"display_digest": "sha256:" + "0" * 64}, "stale"),
    ],
)
def test_only_what_was_looked_at_is_decided(house: House, wrong: dict[str, Any], code: str) -> None:
    """Another version, action or card than there is now: nothing is decided, nothing is recorded."""

    async def scenario() -> None:
        view = await house.hold()
        before = len(house.log.records)
        answer = await post(house, "alice", view, "approve", **wrong)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
        assert (await house.holds.get(view.id)).votes == ()
        assert len(house.log.records) == before

    asyncio.run(scenario())


def test_who_may_look_may_not_therefore_decide(house: House) -> None:
    """An auditor, and a deputy who is not asked for, see the hold and cannot decide it."""

    async def scenario() -> None:
        view = await house.hold()
        for person in ("carol", "eve"):
            answer = await post(house, person, view, "approve")
            assert (answer.status_code, answer.json()["code"]) == (403, "not_eligible")
            assert answer.json()["detail"] == "you may not decide this call; who may: alice"
        assert (await house.holds.get(view.id)).votes == ()

    asyncio.run(scenario())


def test_who_has_no_part_in_it_does_not_learn_that_it_exists(house: House) -> None:
    """Another owner's hold and one that never was give the same answer, to look at and to decide."""

    async def scenario() -> None:
        view = await house.hold()
        missing = new_id("hld")
        async with await house.person("bob") as client:
            for hold_id in (view.id, missing):
                shown = await client.get(f"/v1/holds/{hold_id}")
                decided = await client.post(f"/v1/holds/{hold_id}/approve", json=ballot(view))
                assert shown.status_code == decided.status_code == 404
                assert shown.json() == decided.json()
            assert (await client.get("/v1/holds?state=all")).json() == {"holds": []}

    asyncio.run(scenario())


def test_a_denial_needs_a_reason(house: House) -> None:
    """Without one, or with blanks only, nothing is decided; a very long one is not cut but refused."""

    async def scenario() -> None:
        view = await house.hold()
        for reason, code in (("", "reason_required"), (" \n", "reason_required"), ("x" * 501, "body_invalid")):
            answer = await post(house, "alice", view, "deny", reason=reason)
            assert (answer.status_code, answer.json()["code"]) == (422, code)
        answer = await post(house, "alice", view, "deny", reason="needs a ticket")
        assert answer.json()["state"] == "denied"
        assert answer.json()["closed_text"] == "needs a ticket"

    asyncio.run(scenario())


def test_a_double_click_is_one_vote_and_one_answer(house: House) -> None:
    """The same answer twice, also with the old version, is recorded once; the opposite afterwards is refused."""

    async def scenario() -> None:
        view = await house.hold(roles=(("owner",), ("person:bob",)))
        first = await post(house, "alice", view, "approve")
        again = await post(house, "alice", view, "approve")
        assert first.json() == again.json()
        assert again.status_code == 200
        assert house.log.types().count("approval.vote_received") == 1
        now = await house.holds.get(view.id)
        denied = (await post(house, "alice", now, "deny")).json()
        assert denied["code"] == "not_eligible"
        assert denied["detail"].startswith("you have answered this call already")

    asyncio.run(scenario())


def test_after_the_end_nothing_is_decided(house: House) -> None:
    """A hold whose time is up, or that somebody decided, is not decided again."""

    async def scenario() -> None:
        denied, late = await house.hold(), await house.hold({"amount": 7})
        await post(house, "alice", denied, "deny", reason="no")
        assert (await post(house, "alice", denied, "approve")).json()["code"] == "already_decided"
        token = await house.people.issue_token("alice", ttl=36000, by="test", now=house.now)
        house.now += 901
        async with house.client(authorization=f"Bearer {token.secret}") as client:
            answer = await client.post(f"/v1/holds/{late.id}/approve", json=ballot(late))
        assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")
        assert (await house.holds.get(late.id)).state == "expired"

    asyncio.run(scenario())


def test_the_person_at_the_root_of_the_chain_does_not_suffice(house: House) -> None:
    """Frank, for whom the agent acts, may sign; the hold still waits for somebody else."""

    async def scenario() -> None:
        view = await house.hold(roles=(("person:frank", "owner"),))
        answer = await post(house, "frank", view, "approve")
        assert answer.json()["state"] == "pending"

    asyncio.run(scenario())


def test_the_queue_shows_what_ends_soonest_first(house: House) -> None:
    """Pending holds come by their end; all of them newest first."""

    async def scenario() -> None:
        first = await house.hold({"amount": 1})
        house.now += 5
        second = await house.hold({"amount": 2})
        async with await house.person("alice") as client:
            pending = [hold["id"] for hold in (await client.get("/v1/holds")).json()["holds"]]
            everything = [hold["id"] for hold in (await client.get("/v1/holds?state=all")).json()["holds"]]
            assert (await client.get("/v1/holds?state=other")).status_code == 422
        assert pending == [first.id, second.id]
        assert everything == [second.id, first.id]

    asyncio.run(scenario())


def test_acting_as_a_person_is_recorded_as_such(house: House) -> None:
    """A vote through the local socket says so: channel `cli`, assurance `local_operator`, and which user."""

    async def scenario() -> None:
        view = await house.hold()
        async with house.operator(**{"countersign-as": "alice"}) as client:
            answer = await client.post(f"/v1/holds/{view.id}/approve", json=ballot(view))
        assert answer.json()["state"] == "approved"
        vote = (await house.holds.get(view.id)).votes[0]
        assert (vote.person, vote.channel, vote.assurance) == ("alice", "cli", "local_operator")
        record = next(row for row in house.log.records if row["type"] == "approval.vote_received")
        assert "proof=operator:uid=0" in record["change"]["details"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("approve", None),
        ("deny", None),
        ("revoke", {"reason": "x"}),
        ("reconcile", {"executed": True, "evidence": "x"}),
    ],
)
def test_nobody_signs_in_a_persons_name_unless_it_is_allowed(
    house: House, what: str, body: dict[str, Any] | None
) -> None:
    """The operator who names a person is refused, in words that name the setting; nothing is written."""

    async def scenario() -> None:
        house.deps = replace(house.deps, operator_may_sign=False)
        house.serve()
        view = await house.hold()
        before = len(house.log.records)
        async with house.operator(**{"countersign-as": "alice"}) as client:
            assert (await client.get(f"/v1/holds/{view.id}")).status_code == 200
            answer = await client.post(f"/v1/holds/{view.id}/{what}", json=body or ballot(view, reason="x"))
        assert (answer.status_code, answer.json()["code"]) == (403, "operator_may_not_sign")
        assert "control.operator_may_sign" in answer.json()["detail"]
        assert (await house.holds.get(view.id)).votes == view.votes
        assert len(house.log.records) == before
        async with await house.person("alice") as client:
            done = await client.post(f"/v1/holds/{view.id}/approve", json=ballot(view))
        assert done.json()["state"] == "approved"

    asyncio.run(scenario())


async def say(house: House, person: str, view: HoldView, what: str, **body: Any) -> httpx.Response:
    async with await house.person(person) as client:
        return await client.post(f"/v1/holds/{view.id}/{what}", json=body)


def test_an_approval_is_taken_back_before_it_is_used(house: House) -> None:
    """The same call is not sent any more; who and why is on record before."""

    async def scenario() -> None:
        view = await house.approved()
        house.log.records.clear()
        answer = await say(house, "alice", view, "revoke", reason="the customer cancelled")
        assert (answer.status_code, answer.json()["state"]) == (200, "revoked")
        first = house.log.records[0]
        assert (first["type"], first["change"]["kind"]) == ("approval.vote_received", "revoke")
        with pytest.raises(Refused):
            await house.holds.admit(house.decided(GIVEN, "support-bot", (("owner",),)))

    asyncio.run(scenario())


@pytest.mark.parametrize(("executed", "state"), [(True, "executed"), (False, "not_executed")])
def test_what_became_of_a_call_is_said_by_whoever_answers_for_it(house: House, executed: bool, state: str) -> None:
    """With how they know; it is on record, and the hold is over."""

    async def scenario() -> None:
        view = await house.lost()
        house.log.records.clear()
        answer = await say(house, "alice", view, "reconcile", executed=executed, evidence="ledger 77")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
        assert answer.json()["closed_text"] == "ledger 77"
        assert (house.log.records[0]["change"]["kind"], house.log.records[0]["change"]["reason"]) == (
            state,
            "ledger 77",
        )

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("revoke", {"reason": "x"}),
        ("reconcile", {"executed": True, "evidence": "x"}),
        ("reconcile", {"executed": False, "evidence": "x"}),
    ],
)
@pytest.mark.parametrize(
    ("person", "status", "code"), [("bob", 404, "hold_unknown"), ("carol", 403, "not_eligible"), ("", 403, "")]
)
def test_nobody_else_has_a_say_after_the_votes(
    house: House, what: str, body: dict[str, Any], person: str, status: int, code: str
) -> None:
    """Not who has no part in it, not who may only look, and not the operator in nobody's name: nothing is written."""

    async def scenario() -> None:
        view = await (house.approved() if what == "revoke" else house.lost())
        house.log.records.clear()
        if person:
            answer = await say(house, person, view, what, **body)
        else:
            async with house.operator() as client:
                answer = await client.post(f"/v1/holds/{view.id}/{what}", json=body)
        assert answer.status_code == status, answer.text
        assert code in answer.json()["code"]
        assert (await house.holds.get(view.id)).state == view.state
        assert "approval.vote_received" not in house.log.types()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("reconcile", {"executed": True, "evidence": "x"}, 409),
        ("reconcile", {"executed": "yes", "evidence": "x"}, 422),
        ("reconcile", {"evidence": "x"}, 422),
        ("revoke", {"reason": " "}, 422),
        ("revoke", {}, 422),
    ],
)
def test_a_say_that_does_not_fit_changes_nothing(house: House, what: str, body: dict[str, Any], status: int) -> None:
    """Of an approval that nobody used there is nothing to find out; no reason, no word: refused."""

    async def scenario() -> None:
        view = await house.approved()
        assert (await say(house, "alice", view, what, **body)).status_code == status
        assert (await house.holds.get(view.id)).state == "approved"

    asyncio.run(scenario())
