"""Recertification: the owner's word, on exactly what they were shown, and nobody else's."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import httpx
import pytest

from proxy.facts import Agent, Dataset, Deputy, Inventory, Process, Service, Subject
from tests.fakes.control_house import NOW, House

FAR = date(2099, 1, 1)
LAST = date(2026, 10, 1)  # NOW is 2026-11-18


def changed(house: House, agent: str = "support-bot", **facts: Any) -> None:
    """The files say something else of this agent."""
    written = house.written
    one = written.agents[agent].model_copy(update=facts)
    house.write(written.model_copy(update={"agents": {**written.agents, agent: one}}))


async def shown(client: httpx.AsyncClient, what: str = "agent:support-bot") -> dict[str, Any]:
    answer = await client.get(f"/v1/reviews/{what}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def attest(client: httpx.AsyncClient, digest: str, what: str = "agent:support-bot") -> httpx.Response:
    return await client.post(f"/v1/reviews/{what}/attest", json={"digest": digest, "note": "looked at its handles"})


def test_an_owner_attests_what_is_overdue(house: House) -> None:
    """On record before it is in force; then the agent stands for one more interval."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with await house.person("alice") as client:
            before = await shown(client)
            assert (before["overdue"], before["standing"], before["may_attest"]) == (True, "agent_review_overdue", True)
            after = (await attest(client, before["digest"])).json()
        assert (after["overdue"], after["standing"], after["due"]) == (False, "", "2027-02-16")
        (record,) = house.log.records
        assert (record["type"], record["change"]["by"]) == ("review.attested", "person:alice")
        assert record["change"]["reason"] == "looked at its handles"
        assert {"owner=alice", "class=utility", "due=2026-10-01"} <= set(record["change"]["details"])
        assert house.facts.attestations["agent:support-bot"].person == "alice"

    asyncio.run(scenario())


@pytest.mark.parametrize("person", ["bob", "carol", "eve"])
def test_nobody_attests_for_the_owner(house: House, person: str) -> None:
    """Not the technical owner, not an auditor, not a deputy where the rules do not let them; nor is it recorded."""

    async def scenario() -> None:
        changed(house, technical_owner="bob", review_due=LAST)
        async with await house.person(person) as client:
            item = await shown(client)
            assert item["may_attest"] is False
            answer = await attest(client, item["digest"])
            assert (answer.status_code, answer.json()["code"]) == (403, "not_the_owner")
        async with house.operator() as operator:
            answer = await attest(operator, item["digest"])
            assert (answer.status_code, answer.json()["code"]) == (403, "person_required")
        assert house.log.records == []

    asyncio.run(scenario())


def test_a_stranger_sees_nothing_to_attest(house: House) -> None:
    """What is not theirs is unknown to them, like what does not exist."""

    async def scenario() -> None:
        async with await house.person("frank") as client:
            for what in ("agent:support-bot", "agent:none", "process:none", "global", "agent:", "x"):
                answer = await attest(client, "sha256:1", what)
                assert (answer.status_code, answer.json()["code"]) == (404, "review_unknown")
            assert (await client.get("/v1/reviews?all=true")).json() == {"reviews": [], "orphaned": []}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("start", "end", "allowed"),
    [(date(2020, 1, 1), FAR, True), (date(2020, 1, 1), date(2026, 11, 17), False), (date(2026, 11, 19), FAR, False)],
)
def test_a_deputy_attests_within_dates_where_the_rules_let_them(
    house: House, start: date, end: date, allowed: bool
) -> None:
    """In the owner's stead: it is the owner's attestation, with the deputy's name."""

    async def scenario() -> None:
        house.write(deputies_attest=True)
        changed(house, deputies=(Deputy(person="eve", start=start, end=end),), review_due=LAST)
        async with house.operator(**{"countersign-as": "eve"}) as client:
            answer = await client.get("/v1/reviews/agent:support-bot")
            assert (answer.status_code == 200) is allowed
            answer = await attest(client, answer.json().get("digest", ""))
            assert (answer.status_code == 200) is allowed
        if allowed:
            said = house.facts.attestations["agent:support-bot"]
            assert (said.owner, said.person) == ("alice", "eve")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "facts",
    [
        {"purpose": "Something else"},
        {"agent_class": "privileged"},
        {"expires": date(2098, 1, 1)},
        {"identities": (Subject(issuer="https://i", subject="s"),)},
        {"environment": "staging"},
        {"review_due": date(2026, 10, 2)},
    ],
)
def test_what_changed_meanwhile_is_not_attested(house: House, facts: dict[str, Any]) -> None:
    """Whoever attests has seen exactly what they attest, above all the class; else they look again."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with await house.person("alice") as client:
            item = await shown(client)
            changed(house, **facts)
            answer = await attest(client, item["digest"])
            assert (answer.status_code, answer.json()["code"]) == (409, "stale")
            assert house.log.records == []
            assert (await attest(client, (await shown(client))["digest"])).status_code == 200

    asyncio.run(scenario())


def test_attesting_twice_at_once_is_one_attestation(house: House) -> None:
    """Of ten at the same moment one counts, and one is on record; the others look again."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with await house.person("alice") as client:
            digest = (await shown(client))["digest"]
            answers = await asyncio.gather(*(attest(client, digest) for _ in range(10)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9
        assert house.log.types() == ["review.attested"]
        assert len(await house.ownership.history("agent:support-bot")) == 1

    asyncio.run(scenario())


def test_another_process_may_be_faster(house: House) -> None:
    """Between what was shown and what is stored, the store has the last word."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with await house.person("alice") as client:
            item = await shown(client)
            said = house.ownership.attest

            async def too_late(attestation: Any, after: str) -> bool:
                await house.store.add_attestation(attestation.model_copy(update={"id": "faster"}), after)
                return await said(attestation, after)

            house.ownership.attest = too_late  # type: ignore[method-assign] # somebody else is between
            assert (await attest(client, item["digest"])).json()["code"] == "stale"
            assert [one.id for one in await house.ownership.history("agent:support-bot")] == ["faster"]

    asyncio.run(scenario())


def test_a_new_owner_attests_anew(house: House) -> None:
    """What carried it was the other owner's word."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with await house.person("alice") as client:
            await attest(client, (await shown(client))["digest"])
        changed(house, owner="bob")
        async with await house.person("bob") as client:
            item = await shown(client)
            assert (item["overdue"], item["standing"]) == (True, "agent_review_overdue")
            assert (item["last"]["owner"], item["changed_since"]) == ("alice", True)
            assert (await attest(client, item["digest"])).json()["overdue"] is False

    asyncio.run(scenario())


def test_what_becomes_privileged_is_attested_as_privileged(house: House) -> None:
    """At once, however far its file's date lies ahead."""

    async def scenario() -> None:
        changed(house, agent_class="privileged")
        async with await house.person("alice") as client:
            item = await shown(client)
            assert (item["due"], item["overdue"], item["standing"]) == (None, True, "agent_unattested")
            after = (await attest(client, item["digest"])).json()
            assert (after["due"], after["standing"]) == ("2026-12-18", "")

    asyncio.run(scenario())


def test_what_has_expired_is_extended_first(house: House) -> None:
    """An attestation would change nothing, and so is not taken."""

    async def scenario() -> None:
        changed(house, expires=LAST)
        async with await house.person("alice") as client:
            answer = await attest(client, (await shown(client))["digest"])
        assert (answer.status_code, answer.json()["code"]) == (409, "agent_expired")
        assert house.log.records == []

    asyncio.run(scenario())


def test_a_note_says_what_was_looked_at(house: House) -> None:
    """Without one nothing is attested."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with await house.person("alice") as client:
            body = {"digest": (await shown(client))["digest"], "note": "  "}
            answer = await client.post("/v1/reviews/agent:support-bot/attest", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "reason_required")
        assert house.log.records == []

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_attested(house: House) -> None:
    """Neither with a full log nor with a store that is down."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        async with house.operator(**{"countersign-as": "alice"}) as client:
            digest = (await shown(client))["digest"]
            house.log.broken = True
            assert (await attest(client, digest)).json()["code"] == "audit_unavailable"
            house.log.broken = False
            house.store.close()
            assert (await attest(client, digest)).json()["code"] == "store_unavailable"
        assert house.facts.attestations == {}

    asyncio.run(scenario())


def test_the_operator_attests_in_nobodys_name_unless_it_is_allowed(house: House) -> None:
    """An attestation is the owner's own word."""

    async def scenario() -> None:
        changed(house, review_due=LAST)
        house.deps = replace(house.deps, operator_may_sign=False)
        house.serve()
        async with house.operator(**{"countersign-as": "alice"}) as client:
            answer = await attest(client, (await shown(client))["digest"])
        assert (answer.status_code, answer.json()["code"]) == (403, "operator_may_not_sign")
        assert house.facts.attestations == {}

    asyncio.run(scenario())


def test_what_is_not_needed_is_ended(house: House) -> None:
    """By its owner, for a reason; it is then ended, and cannot be attested until that is lifted."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            digest = (await shown(client))["digest"]
            assert (await client.post("/v1/reviews/agent:support-bot/end", json={"reason": " "})).status_code == 422
            done = await client.post("/v1/reviews/agent:support-bot/end", json={"reason": "replaced"})
            assert done.json() == {"what": "agent:support-bot", "ended": True}
            item = await shown(client)
            assert (item["standing"], item["may_attest"], item["may_end"]) == ("ended", False, False)
            assert (await attest(client, digest)).status_code == 403
        assert [row.scope for row in house.revocations.in_force()] == ["agent:support-bot"]
        assert house.log.types() == ["revocation.put"]

    asyncio.run(scenario())


def test_an_auditor_sees_all_and_ends_nothing(house: House) -> None:
    """What is due comes first; what is far ahead only if asked for; orphans are told apart."""

    async def scenario() -> None:
        changed(house, review_due=date(2026, 12, 1))
        changed(house, "builder", owner="dave", review_due=LAST)
        async with await house.person("carol") as client:
            told = (await client.get("/v1/reviews")).json()
            assert [(row["what"], row["days"]) for row in told["reviews"]][:2] == [
                ("agent:builder", -48), ("agent:support-bot", 13),
            ]  # fmt: skip
            assert [(row["what"], row["owner"]) for row in told["orphaned"]] == [("agent:builder", "dave")]
            answer = await client.post("/v1/reviews/agent:builder/end", json={"reason": "x"})
            assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
        assert house.revocations.in_force() == []

    asyncio.run(scenario())


def with_process(house: House) -> Inventory:
    process = Process(id="night", owner="alice", purpose="Nightly", trigger="schedule", reference="0 3 * * *",
                      agents=("builder",), expires=FAR, review_due=LAST)  # fmt: skip
    return house.written.model_copy(update={"processes": {"night": process}})


def test_a_business_process_is_reviewed_too(house: House) -> None:
    """By its owner; others do not see it; the operator may end it, and who has no part in it may not."""

    async def scenario() -> None:
        house.write(with_process(house))
        async with await house.person("bob") as client:
            assert (await client.get("/v1/reviews/process:night")).status_code == 404
        async with await house.person("carol") as client:
            assert (await client.post("/v1/reviews/process:night/end", json={"reason": "x"})).status_code == 403
        async with await house.person("alice") as client:
            item = await shown(client, "process:night")
            assert (item["standing"], item["facts"]["trigger"]) == ("process_review_overdue", "schedule")
            assert (await attest(client, item["digest"], "process:night")).json()["standing"] == ""
        async with house.operator() as operator:
            assert (await operator.post("/v1/reviews/process:night/end", json={"reason": "x"})).status_code == 200
        assert [row.scope for row in house.revocations.in_force()] == ["process:night"]

    asyncio.run(scenario())


def test_a_deputy_sees_and_attests_a_business_process(house: House) -> None:
    """Within dates; the list says who answers for it, and attesting is theirs only where the rules let them."""

    async def scenario() -> None:
        written = with_process(house)
        deputy = Deputy(person="eve", start=date(2020, 1, 1), end=FAR)
        night = written.processes["night"].model_copy(update={"owner": "dave", "deputies": (deputy,)})
        house.write(written.model_copy(update={"processes": {"night": night}}), when_owner_leaves="deputy")
        async with await house.person("eve") as client:
            item = await shown(client, "process:night")
            assert (item["may_attest"], item["may_end"]) == (False, True)
            assert (await attest(client, item["digest"], "process:night")).json()["code"] == "not_the_owner"
            house.write(deputies_attest=True, when_owner_leaves="deputy")
            assert (await attest(client, item["digest"], "process:night")).json()["standing"] == ""
        assert house.facts.attestations["process:night"].person == "eve"

    asyncio.run(scenario())


def test_a_deputy_sees_what_they_answer_for_and_nothing_else_without_an_owner(house: House) -> None:
    """A service and a dataset whose owner left: listed for their deputy and for auditors, for no stranger."""

    async def scenario() -> None:
        written = house.written
        deputies = (Deputy(person="eve", start=date(2020, 1, 1), end=FAR),)
        services = {
            "one": Service(id="one", owner="dave", url="https://one.test", deputies=deputies),
            "two": Service(id="two", owner="dave", url="https://two.test"),
        }
        datasets = {"data": Dataset(id="data", owner="dave", deputies=deputies)}
        update = {"services": services, "datasets": datasets}
        house.write(written.model_copy(update=update), when_owner_leaves="deputy")
        seen: dict[str, list[tuple[str, str]]] = {}
        for who in ("eve", "carol", "frank"):
            async with await house.person(who) as client:
                listed = (await client.get("/v1/reviews")).json()["orphaned"]
                seen[who] = [(one["what"], one["deputy"]) for one in listed]
        mine = [("service:one", "eve"), ("dataset:data", "eve")]
        assert seen == {"eve": mine, "carol": [mine[0], ("service:two", ""), mine[1]], "frank": []}

    asyncio.run(scenario())


def test_what_is_shown_is_every_fact(house: House) -> None:
    """A fact that is not shown would be attested unseen."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            assert (await shown(client))["facts"].keys() == Agent.model_fields.keys()

    asyncio.run(scenario())
    assert house.now == NOW
