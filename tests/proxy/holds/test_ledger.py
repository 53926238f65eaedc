"""The one way in which a hold changes."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from policies.model import Clause
from proxy.errors import Refused
from proxy.facts import Instances, OwnershipRules
from proxy.holds.mistakes import HoldNotFound
from proxy.holds.model import State
from proxy.holds.moves import Invalidate, Revoke, Tick
from telemetry.errors import AuditUnavailable
from tests.fakes.held_calls import NOW, OWNER_SIGNS, Desk, decided, inventory
from tests.proxy.holds.test_admission import parked, told


def test_reading_a_hold_ends_it_when_its_time_is_over(tmp_path: Path) -> None:
    """No timer is needed: whoever looks, ends it, once, at the time at which its clock ran out."""

    async def story(desk: Desk) -> None:
        ledger, hold_id = desk.service._ledger, await parked(desk)
        desk.clock.now += 3600
        found, again = await asyncio.gather(ledger.find(hold_id), ledger.find(hold_id))
        assert found is not None
        assert found == again
        assert (found.state, found.closed_at) == (State.EXPIRED, NOW + 900)
        assert desk.records.types() == ["approval.requested", "approval.decided"]

    told(tmp_path, story)


def test_an_unknown_hold_is_said_to_be_unknown(tmp_path: Path) -> None:
    """None where that is an answer, an error where a hold must be."""

    async def story(desk: Desk) -> None:
        assert await desk.service._ledger.find("hld_0") is None
        with pytest.raises(HoldNotFound, match="hld_0"):
            await desk.service._ledger.current("hld_0")

    told(tmp_path, story)


def test_a_move_from_an_old_row_does_nothing(tmp_path: Path) -> None:
    """The second of two moves from the same row gets None and leaves no record; insisting looks again."""

    async def story(desk: Desk) -> None:
        ledger = desk.service._ledger
        old = await ledger.current(await parked(desk))
        await desk.approve(old.id)
        before = len(desk.records.written)
        assert await ledger.move(old, Invalidate("x")) is None
        assert len(desk.records.written) == before
        assert (await ledger.insist(old, Revoke("proxy", "x"))).state is State.REVOKED

    told(tmp_path, story)


def test_every_change_is_on_record_in_order(tmp_path: Path) -> None:
    """What happened, to whom, by whom, with an id of its own; and never an argument's value."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        await desk.approve(hold_id, reason="ticket 7")
        claim = await desk.service.admit(decided())
        await desk.service.sent(claim)
        await desk.service.finished(claim, 200)
        assert desk.records.types() == [
            "approval.requested",
            "approval.voted",
            "approval.decided",
            "approval.reserved",
            "approval.sent",
            "approval.finished",
        ]
        voted = desk.records.written[1]
        assert voted["approval"]["id"] == hold_id
        assert (voted["approval"]["actor"], voted["approval"]["reason"]) == ("person:olga", "ticket 7")
        assert voted["agent"] == {"id": "refunds", "owner": "olga"}
        assert len({record["approval"]["details"][0] for record in desk.records.written}) == 6
        assert "c_8812" not in str(desk.records.written)

    told(tmp_path, story)


def test_two_who_publish_record_once(tmp_path: Path) -> None:
    """Within a process an event is recorded once, however many ask for it."""

    async def story(desk: Desk) -> None:
        desk.records.broken = AuditUnavailable("full")
        with pytest.raises(AuditUnavailable):
            await parked(desk)
        desk.records.broken = None
        await asyncio.gather(*(desk.service._ledger.publish(None) for _ in range(5)))
        assert desk.records.types() == ["approval.requested"]

    told(tmp_path, story)


def test_a_change_without_its_record_is_recorded_later(tmp_path: Path) -> None:
    """A vote whose record fails raises, has happened, and is on record before anything comes of it."""

    async def story(desk: Desk) -> None:
        hold_id = await parked(desk)
        desk.records.broken = AuditUnavailable("full")
        with pytest.raises(AuditUnavailable):
            await desk.approve(hold_id)
        desk.records.broken = None
        desk.clock.now += 6
        await desk.service.sweep(desk.clock())
        assert desk.records.types() == ["approval.requested", "approval.voted", "approval.decided"]

    told(tmp_path, story)


def test_time_alone_changes_nothing_too_early(tmp_path: Path) -> None:
    """A hold within its time is returned as it is, without a write."""

    async def story(desk: Desk) -> None:
        hold = await desk.service._ledger.current(await parked(desk))
        assert await desk.service._ledger.move(hold, Tick()) == hold
        assert (await desk.service._ledger.current(hold.id)).row_version == 1

    told(tmp_path, story)


@pytest.mark.parametrize("approver", ["olga", "dan", "dora"])
def test_an_approval_stands_while_the_same_person_answers(tmp_path: Path, approver: str) -> None:
    """The owner, the deputy of one who left, the owner of one instance: their word is used, until another answers."""
    world = inventory(inactive=("olga",) if approver == "dan" else ())
    copies = Instances(issuer="https://id.example", subject="refunds/{instance}", owners={"blue": "dora"})
    agent = world.agents["refunds"].model_copy(update={"instances": (copies,)})
    rules = OwnershipRules(when_owner_leaves="deputy")
    world = world.model_copy(update={"agents": {"refunds": agent}, "rules": rules})
    left = {**world.people, approver: world.people[approver].model_copy(update={"active": False})}

    async def story(desk: Desk) -> None:
        asked = decided(requirement=replace(OWNER_SIGNS, clauses=(Clause(("owner", f"person:{approver}")),)))
        attributed = asked.described.attributed
        copy = "blue" if approver == "dora" else "green"
        proven = replace(attributed.identity.proven, instance=copy)
        identity = replace(attributed.identity, agent=agent, owner=world.people[approver], proven=proven)
        asked = replace(asked, described=replace(asked.described, attributed=replace(attributed, identity=identity)))
        desk.world = world
        with pytest.raises(Refused):
            await desk.service.admit(asked, prefer_wait=None)
        (view,) = await desk.service.list()
        await desk.approve(view.id, approver)
        ledger = desk.service._ledger
        hold = await ledger.current(view.id)
        assert await ledger.move(hold, ledger.recheck_of(hold)) == hold
        desk.world = world.model_copy(update={"people": left})
        moved = await ledger.move(hold, ledger.recheck_of(hold))
        assert moved is not None
        assert (moved.state, [vote.standing for vote in moved.votes]) == (State.PENDING, ["void"])

    told(tmp_path, story)
