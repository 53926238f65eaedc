"""Tasks for business processes over the API: who speaks for a process, and for which agents."""

import asyncio
from datetime import date
from typing import Any

import pytest

from proxy.facts import Deputy, OwnershipRules, Partner, Process
from tests.fakes.control_house import FAR, House

ASKED = {
    "agent": "support-bot", "purpose": "close stale orders", "tools": ["payments/refund"], "process": "nightly",
}  # fmt: skip


def knows(house: House, **changes: Any) -> None:
    """Bob owns the nightly process, which the support bot acts for; Alice owns that bot."""
    good: dict[str, Any] = {
        "id": "nightly", "owner": "bob", "purpose": "x", "trigger": "schedule", "reference": "0 3 * * *",
        "agents": ("support-bot",), "expires": FAR, "review_due": FAR,
    }  # fmt: skip
    house.facts = house.facts.model_copy(update={"processes": {"nightly": Process(**(good | changes))}})


async def asked(house: House, person: str | None, **changes: Any) -> tuple[int, dict[str, Any]]:
    """The answer to this person, or to the operator."""
    async with house.operator() if person is None else await house.person(person) as client:
        answer = await client.post("/v1/tasks", json=ASKED | changes)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("who", [None, "bob"])
def test_who_answers_for_a_process_begins_its_tasks(house: House, who: str | None) -> None:
    """The operator, or its owner: the process is the root, by their word; no person is, whatever the ticket says."""

    async def story() -> None:
        knows(house)
        status, task = await asked(house, who, ticket="OPS-7, asked for by frank", purpose="for frank")
        assert (status, task["root"]) == (201, {"kind": "business_process", "id": "nightly"})
        [hop] = task["chain"]
        assert (hop["id"], hop["level"], hop["grant"]) == ("support-bot", "endorsed", "registry")
        assert house.log.types() == ["task.created"]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("who", "facts", "changes", "status", "code"),
    [
        ("alice", {}, {}, 404, "process_unknown"),  # she owns the agent, not the process
        ("carol", {}, {}, 404, "process_unknown"),
        (None, {}, {"process": "weekly"}, 404, "process_unknown"),
        ("bob", {}, {"agent": "builder"}, 403, "process_agent_refused"),
        (None, {"agents": ("builder",)}, {}, 403, "process_agent_refused"),
        (None, {"enabled": False}, {}, 409, "process_disabled"),
        (None, {"expires": date(2020, 1, 1)}, {}, 409, "process_expired"),
        (None, {"review_due": date(2020, 1, 1)}, {}, 409, "process_review_overdue"),
        (None, {"owner": "dave"}, {}, 409, "process_owner_inactive"),
        (None, {}, {"on_behalf_of": "frank"}, 422, "two_roots"),
        (None, {}, {"agent": "nobody"}, 404, "agent_unknown"),
        (None, {"agents": ("stray",)}, {"agent": "stray"}, 409, "agent_owner_missing"),
    ],
)
def test_nobody_else_speaks_for_it_and_only_while_it_stands(
    house: House, who: str | None, facts: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    """Not the agent's owner, not for an agent that it does not name, not after its end; nothing is begun."""

    async def story() -> None:
        knows(house, **facts)
        answered, body = await asked(house, who, **changes)
        assert (answered, body.get("code")) == (status, code)
        assert await house.tasks.list() == []

    asyncio.run(story())


def test_a_deputy_speaks_for_a_process_within_dates(house: House) -> None:
    """In the stead of an owner who left, where the rules hand over; not on another day, and nothing stands then."""

    async def story() -> None:
        rules = OwnershipRules(when_owner_leaves="deputy")
        house.facts = house.facts.model_copy(update={"rules": rules})
        deputy = Deputy(person="alice", start=date(2020, 1, 1), end=FAR)
        knows(house, owner="dave", deputies=(deputy,))
        assert (await asked(house, "alice"))[0] == 201
        knows(house, owner="dave", deputies=(deputy.model_copy(update={"end": date(2020, 1, 1)}),))
        assert (await asked(house, "alice"))[1]["code"] == "process_unknown"
        assert (await asked(house, None))[1]["code"] == "process_owner_inactive"

    asyncio.run(story())


def test_a_task_below_one_for_a_person_is_not_for_a_process(house: House) -> None:
    """A child acts for whom its parent acts."""

    async def story() -> None:
        knows(house)
        _, parent = await asked(house, None, process=None, on_behalf_of="frank")
        status, body = await asked(house, None, parent=parent["id"])
        assert (status, body["code"]) == (422, "principal_differs")

    asyncio.run(story())


def test_an_agent_that_a_partner_hosts_is_its_partners_word(house: House) -> None:
    """Even for a person who is here in their own name: the agent has shown nothing to us."""

    async def story() -> None:
        issuers = ("https://acme.example",)
        acme = Partner(id="acme", name="Acme", owner="bob", contract="c.pdf", ends=FAR, issuers=issuers)
        bot = house.facts.agents["support-bot"].model_copy(update={"partner": "acme"})
        agents = {**house.facts.agents, "support-bot": bot}
        house.facts = house.facts.model_copy(update={"agents": agents, "partners": {"acme": acme}})
        _, task = await asked(house, "alice", process=None, on_behalf_of="alice")
        assert [hop["level"] for hop in task["chain"]] == ["endorsed"]

    asyncio.run(story())
