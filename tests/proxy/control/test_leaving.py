"""People who leave and come back: on record first, each source for itself."""

import asyncio

import pytest

from proxy.control.leaving import Leavers, Said
from proxy.errors import Declined
from proxy.facts import Person, Source
from telemetry.errors import AuditUnavailable
from tests.fakes.control_house import House


async def set_active(house: House, source: Source, *, active: bool, person: str = "alice") -> Person:
    return await Leavers(house.deps).set_active(person, source, Said(source, "said so"), active=active)


def test_the_operator_deactivates_and_takes_it_back(house: House) -> None:
    """With a reason, in force at once, on record; a second time changes nothing and is not written down."""

    async def scenario() -> None:
        async with house.operator() as operator, await house.person("alice") as alice:
            for _ in range(2):
                answer = await operator.post("/v1/people/alice/deactivate", json={"reason": "left"})
                assert answer.json() == {"person": "alice", "active": False}
            assert (await alice.get("/v1/agents")).status_code in {401, 404}
            assert (await alice.get("/v1/status")).status_code == 401
            assert (await operator.post("/v1/people/alice/activate", json={"reason": "back"})).json()["active"]
        assert house.log.types() == ["person.deactivated", "person.activated"]
        change = house.log.records[0]["change"]
        assert (change["what"], change["by"], change["reason"]) == ("person:alice", "operator:uid=0", "left")
        assert {"source=operator", "proof=uid=0"} <= set(change["details"])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("person", "body", "status"),
    [("alice", {"reason": " "}, 422), ("alice", {}, 422), ("nobody", {"reason": "x"}, 404)],
)
def test_without_a_reason_or_a_person_nothing_happens(house: House, person: str, body: dict, status: int) -> None:
    """Neither a record nor a change."""

    async def scenario() -> None:
        async with house.operator() as operator:
            assert (await operator.post(f"/v1/people/{person}/deactivate", json=body)).status_code == status
        assert house.log.records == []
        assert house.facts.people["alice"].active

    asyncio.run(scenario())


def test_people_do_not_deactivate_people(house: House) -> None:
    """Not even themselves, nor an auditor anybody."""

    async def scenario() -> None:
        for person in ("alice", "carol"):
            async with await house.person(person) as client:
                answer = await client.post("/v1/people/alice/deactivate", json={"reason": "x"})
            assert (answer.status_code, answer.json()["code"]) == (403, "operator_required")

    asyncio.run(scenario())


def test_one_source_does_not_undo_what_another_said(house: House) -> None:
    """SCIM leaves the operator's word alone; the operator may take back both; the files are nobody's to overrule."""

    async def scenario() -> None:
        await set_active(house, "operator", active=False)
        assert not (await set_active(house, "scim", active=True)).active
        await set_active(house, "scim", active=False)
        assert (await set_active(house, "operator", active=True)).active
        assert not (await set_active(house, "operator", active=True, person="dave")).active
        await set_active(house, "operator", active=False)
        await set_active(house, "scim", active=False)
        assert not (await set_active(house, "scim", active=True)).active

    asyncio.run(scenario())


def test_who_is_inactive_in_the_files_can_be_deactivated_here_too(house: House) -> None:
    """So that an edit of the files does not bring back whom the identity provider has let go."""

    async def scenario() -> None:
        await set_active(house, "scim", active=False, person="dave")
        people = {**house.written.people, "dave": Person(id="dave", name="Dave")}
        house.write(house.written.model_copy(update={"people": people}))
        assert not house.facts.people["dave"].active

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_done(house: House) -> None:
    """The person stays as they were."""

    async def scenario() -> None:
        house.log.broken = True
        with pytest.raises(AuditUnavailable):
            await set_active(house, "scim", active=False)
        assert house.facts.people["alice"].active
        with pytest.raises(Declined):
            await set_active(house, "scim", active=False, person="nobody")

    asyncio.run(scenario())
