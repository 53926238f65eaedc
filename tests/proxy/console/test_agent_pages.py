"""Agents as pages, and the lever that ends one."""

import asyncio

import pytest

from proxy.console import agent_pages
from tests.fakes.console_house import ConsoleHouse, hidden


def test_agents_are_listed_with_who_answers_and_how_they_stand(house: ConsoleHouse) -> None:
    """An owner sees theirs; an auditor all, without the lever."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            text = (await client.get("/agents")).text
            assert "support-bot" in text
            assert "builder" not in text
            assert "End…" in text
        async with await house.visitor("carol") as client:
            text = (await client.get("/agents")).text
            assert "No owner" in text
            assert "End…" not in text
            assert "Every call is refused from now on" not in (await client.get("/agents/support-bot")).text

    asyncio.run(scenario())


def test_many_agents_are_several_pages(house: ConsoleHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each leads to the next, and the last to none."""
    monkeypatch.setattr(agent_pages, "MOST", 2)

    async def scenario() -> None:
        async with await house.visitor("carol") as client:
            first = (await client.get("/agents")).text
            assert "builder" in first
            assert "support-bot" not in first
            assert 'href="/agents?after=stray"' in first
            last = (await client.get("/agents?after=stray")).text
            assert "support-bot" in last
            assert "?after=" not in last

    asyncio.run(scenario())


def test_an_owner_ends_an_agent_and_brings_it_back(house: ConsoleHouse) -> None:
    """With a reason, in force at once, on record, and shown with who and why."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            fields = await house.form(client, "/agents/support-bot")
            missing = await client.post("/agents/support-bot/end", data=fields | {"reason": " "})
            assert missing.status_code == 422
            assert "Nothing was done." in missing.text
            assert house.revocations.in_force() == []
            done = await client.post("/agents/support-bot/end", data=fields | {"reason": "<b>odd</b>"})
            assert done.status_code == 303
            page = (await client.get("/agents/support-bot")).text
            assert "Ended by a person" in page
            assert "&lt;b&gt;odd&lt;/b&gt;" in page
            lifting = hidden(page) | {"reason": "fine"}
            assert (await client.post("/agents/support-bot/lift", data=lifting)).status_code == 303
        assert house.revocations.in_force() == []
        assert [kind for kind in house.log.types() if kind.startswith("revocation")] == [
            "revocation.put",
            "revocation.lifted",
        ]

    asyncio.run(scenario())


def test_nobody_ends_anothers_agent(house: ConsoleHouse) -> None:
    """A form made by hand does nothing: not for a stranger, not for an auditor, not over the operator's end."""

    async def scenario() -> None:
        for person, agent, status in (("bob", "support-bot", 404), ("carol", "support-bot", 403)):
            async with await house.visitor(person) as client:
                fields = await house.form(client, "/agents") | {"reason": "x"}
                assert (await client.post(f"/agents/{agent}/end", data=fields)).status_code == status
        assert house.revocations.in_force() == []
        await house.revocations.revoke("agent:support-bot", "operator:uid=0", "incident", house.now)
        async with await house.visitor("alice") as client:
            fields = await house.form(client, "/agents") | {"reason": "x"}
            assert (await client.post("/agents/support-bot/lift", data=fields)).status_code == 422
            fields |= {"effect": "revoke"}
            assert (await client.post("/agents/support-bot/lift", data=fields)).status_code == 409
        assert len(house.revocations.in_force()) == 1

    asyncio.run(scenario())


def test_an_owner_freezes_an_agent_and_ends_it_after_all(house: ConsoleHouse) -> None:
    """The page says frozen, by whom and why, and still offers to end it, and to let it call again."""

    async def scenario() -> None:
        async with await house.visitor("alice") as client:
            fields = await house.form(client, "/agents/support-bot")
            missing = await client.post("/agents/support-bot/freeze", data=fields | {"reason": ""})
            assert missing.status_code == 422
            assert house.revocations.in_force() == []
            done = await client.post("/agents/support-bot/freeze", data=fields | {"reason": "odd since noon"})
            assert done.status_code == 303
            page = (await client.get("/agents/support-bot")).text
            assert "Frozen by a person" in page
            assert "odd since noon" in page
            assert 'formaction="/agents/support-bot/freeze"' not in page
            assert 'action="/agents/support-bot/lift"' in page
            ended = await client.post("/agents/support-bot/end", data=fields | {"reason": "it is bad"})
            assert ended.status_code == 303
            for stands, left in (("Ended by a person", ["freeze"]), ("Frozen by a person", [])):
                page = (await client.get("/agents/support-bot")).text
                assert stands in page
                lifting = hidden(page) | {"reason": "checked"}
                assert (await client.post("/agents/support-bot/lift", data=lifting)).status_code == 303
                assert [row.kind for row in house.revocations.in_force()] == left

    asyncio.run(scenario())
