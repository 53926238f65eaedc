"""Services and data that nobody answers for: no call reaches them, at any moment of its life."""

import asyncio
import json

import pytest

from proxy.facts import Held, OwnershipRules
from proxy.stages import Released
from tests.fakes.waiting import until
from tests.fakes.world import INVENTORY, POLICIES, arrived, get, mcp, problem, refund, run

# The service `crm` is sam's and the data `customers` are dora's; both have a deputy up to the day after the one it is.
DEPUTY = "deputies: [{person: eve, start: 2026-11-01, end: 2026-11-19}]"
PEOPLE = "".join(f"  - {{id: {name}, name: {name}}}\n" for name in ("sam", "dora", "eve"))
OWNED = (
    INVENTORY.replace("people:\n", f"people:\n{PEOPLE}")
    .replace("  - id: crm\n    owner: bob\n", f"  - id: crm\n    owner: sam\n    {DEPUTY}\n")
    .replace("  - id: customers\n    owner: olivia\n", f"  - id: customers\n    owner: dora\n    {DEPUTY}\n")
)  # fmt: skip
HANDED = OwnershipRules(when_owner_leaves="deputy")
DAY = 86_400
LEFT = {"service": "sam", "dataset": "dora"}
SIGNED = POLICIES.replace('@hold("owner")', '@hold("service_owner")')


def leaves(house, kind):
    """The owner is deactivated, as a SCIM client would do it."""
    house.keeper.hold(Held(deactivated=frozenset({LEFT[kind]})))


@pytest.mark.parametrize("kind", LEFT)
def test_a_call_of_what_lost_its_owner_is_refused_and_cut(tmp_path, kind):
    """Another owner's agent: its new call is refused, the one under way cut, its connection and the rest stay."""

    async def scenario(house):
        given = await house.evidence()
        flowing = await house.released(get(), evidence=given)
        other = await house.released(refund(5), evidence=given)
        leaves(house, kind)
        reason = f"{kind}_owner_inactive"
        document = await house.refused(get(), evidence=given)
        assert (document["reason"], document["status"]) == (reason, 403)
        assert "dora" not in json.dumps(document)
        assert house.pipeline.still_allowed("conn_1", flowing) == reason
        assert house.pipeline.still_allowed("conn_1", None) is None
        assert house.pipeline.still_allowed("conn_1", other) == (reason if kind == "service" else None)
        house.keeper.hold(Held())
        assert house.pipeline.still_allowed("conn_1", flowing) is None
        for released in (flowing, other, await house.released(get(), evidence=given)):
            house.answer(released)

    run(tmp_path, scenario, inventory=OWNED)


@pytest.mark.parametrize("kind", LEFT)
def test_a_deputy_answers_on_their_days_and_nobody_after(tmp_path, kind):
    """Where the rules hand over: up to the end of the last day, and a call that goes on over midnight is cut."""

    async def scenario(house):
        house.clock.now += 2 * DAY - house.clock.now % DAY - 60  # a minute before the last day ends
        await house.hear()
        given = await house.evidence()
        leaves(house, kind)
        flowing = await house.released(get(), evidence=given)
        assert house.pipeline.still_allowed("conn_1", flowing) is None
        house.clock.now += 60
        await house.hear()
        assert house.pipeline.still_allowed("conn_1", flowing) == f"{kind}_owner_inactive"
        assert (await house.refused(get(), evidence=given))["reason"] == f"{kind}_owner_inactive"
        house.answer(flowing)

    run(tmp_path, scenario, inventory=OWNED, rules=HANDED)


@pytest.mark.parametrize("gone", ["active: false, id: sam", ""], ids=["inactive", "gone with the service"])
def test_what_is_taken_from_the_files_goes_on_nowhere(tmp_path, gone):
    """An owner whom the files call inactive; a service that they no longer have."""

    async def scenario(house):
        flowing = await house.released(refund(5))
        if gone:
            await house.edit(inventory=OWNED.replace("id: sam", gone))
        else:
            head, rest = OWNED.split("  - id: crm\n")
            notes = rest.partition("  - id: notes\n")[2].partition("datasets:\n")[0]
            await house.edit(
                inventory=f"{head}  - id: notes\n{notes}", policies='@id("a") permit (principal, action, resource);'
            )
            assert "crm" not in house.keeper.world.inventory.services
        assert house.pipeline.still_allowed("conn_1", flowing) == "service_owner_inactive"
        house.answer(flowing)

    run(tmp_path, scenario, inventory=OWNED)


@pytest.mark.parametrize("kind", LEFT)
def test_an_approved_call_is_not_released_when_the_owner_left_meanwhile(tmp_path, kind):
    """The approval came, and the owner of what it touches went: refused on the line, and void when asked again."""
    held = '@id("held")\n@hold("owner")\nforbid (principal, action == Action::"crm/get_customer", resource);\n'

    async def scenario(house):
        given = await house.evidence()
        call = asyncio.create_task(house.pipeline.admit_call(arrived(get()), given))
        await until(lambda: call.done() or bool(house.holds._ledger.waiters))
        hold = (await house.holds.list("open"))[0].id
        leaves(house, kind)
        await house.approve(hold)
        assert problem(await call)["reason"] == f"{kind}_owner_inactive"
        assert await house.records("call.resumed") == []
        assert (await house.refused(get(), evidence=given))["reason"] == f"{kind}_owner_inactive"
        assert await house.state(hold) == "invalidated"

    run(tmp_path, scenario, inventory=OWNED, policies=POLICIES + held, wait=30.0)


@pytest.mark.parametrize("kind", LEFT)
def test_the_last_look_before_the_release_sees_who_has_left(tmp_path, kind):
    """Gone while the record of the decision is written: nothing goes upstream."""

    async def scenario(house):
        class Recorder:
            async def append(self, record, salt=b""):
                leaves(house, kind)
                return await house.recorder.append(record, salt)

            def append_nowait(self, record, salt=b""):
                house.recorder.append_nowait(record, salt)

        given = await house.evidence()
        house.broken(recorder=Recorder())
        assert (await house.refused(get(), evidence=given))["reason"] == f"{kind}_owner_inactive"

    run(tmp_path, scenario, inventory=OWNED)


def test_housekeeping_reaches_no_service_that_nobody_answers_for(tmp_path):
    """Neither a session nor a list of tools is had of it."""

    async def scenario(house):
        given = await house.evidence()
        house.keeper.hold(Held(deactivated=frozenset({"bob"})))
        for message in (mcp("tools/list"), mcp("ping")):
            verdict = await house.admit(message, evidence=given)
            assert not isinstance(verdict, Released)
            assert json.loads(verdict.body)["error"]["data"]["reason"] == "service_owner_inactive"

    run(tmp_path, scenario)


def test_the_deputy_signs_as_the_services_owner(tmp_path):
    """The card names them, the one who left cannot, and what they had signed does not count."""

    async def scenario(house):
        given = await house.evidence()
        before = await house.held(refund(), evidence=given)
        assert (await house.holds.get(before)).may_decide == ("sam",)
        await house.approve(before, "sam")
        leaves(house, "service")
        await house.poll(1)
        assert await house.held(refund(), evidence=given) == before
        assert (await house.holds.get(before)).may_decide == ("eve",)
        other = await house.held(refund(20_000), evidence=given)
        assert (await house.holds.get(other)).card["where"]["service_owner"] == "eve"
        await house.approve(before, "eve")
        released = await house.released(refund(), evidence=given)
        assert released.claim.approved_by == ("eve",)
        house.answer(released)

    run(tmp_path, scenario, inventory=OWNED, policies=SIGNED, rules=HANDED)


def test_policies_see_the_deputy_as_the_owner_on_their_days(tmp_path):
    """`resource.owner` is who answers today: compiled anew when somebody leaves, and when a deputy's days end."""
    by_owner = POLICIES.replace(
        "permit (principal, action, resource) when { resource is Service };",
        'permit (principal, action, resource) when { resource is Service && resource.owner == Person::"eve" };',
    )

    async def scenario(house):
        given = await house.evidence()
        assert (await house.refused(refund(5), evidence=given))["reason"] == "no_permit"
        leaves(house, "service")
        await house.poll(1)
        house.answer(await house.released(refund(5), evidence=given))
        before = house.keeper.world.version
        house.clock.now += 2 * DAY
        await house.poll(1)
        assert house.keeper.world.version != before
        assert house.keeper.world.inventory.stand_ins == {}

    run(tmp_path, scenario, inventory=OWNED, policies=by_owner, rules=HANDED)
