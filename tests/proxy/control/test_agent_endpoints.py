"""Agents for programs."""

import asyncio

from tests.fakes.control_house import House


def test_agents_are_listed_for_who_may_see_them(house: House) -> None:
    """Who answers, how it stands, and when it is due; others' agents are not there."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            (agent,) = (await client.get("/v1/agents")).json()["agents"]
            assert (agent["id"], agent["owner"], agent["owner_name"]) == ("support-bot", "alice", "Alice Almond")
            assert (agent["standing"], agent["expires"], agent["class"]) == ("", "2099-01-01", "utility")
            assert agent["deputies"] == [{"person": "eve", "start": "2020-01-01", "end": "2099-01-01"}]
            assert (await client.get("/v1/agents/builder")).status_code == 404
        async with house.operator() as client:
            agents = {agent["id"]: agent for agent in (await client.get("/v1/agents")).json()["agents"]}
        assert agents["stray"]["standing"] == "agent_owner_missing"
        assert "has no owner" in agents["stray"]["detail"]

    asyncio.run(scenario())


def test_where_an_agent_comes_from_and_how_it_is_undone_is_shown(house: House) -> None:
    """Its artefact, its zone, whom to ask after its owner, and how what it does is undone."""

    async def scenario() -> None:
        told = {"deployment": "registry/bot@sha256:1", "trust_zone": "dmz", "escalation": ["bob", "carol"],
                "rollback": "scale to zero"}  # fmt: skip
        bot = house.written.agents["support-bot"].model_copy(update=told | {"escalation": ("bob", "carol")})
        house.write(house.written.model_copy(update={"agents": {**house.written.agents, "support-bot": bot}}))
        async with await house.person("alice") as client:
            shown = (await client.get("/v1/agents/support-bot")).json()
        assert {name: shown[name] for name in told} == told

    asyncio.run(scenario())


def test_one_agent_is_shown_with_what_lives_under_it(house: House) -> None:
    """Live handles and open tasks, without a secret; and who ended it."""

    async def scenario() -> None:
        task = await house.begin()
        secret, row = await house.handles.issue(
            agent="support-bot", purpose="x", ttl=60, issued_by="t", now=house.now, task=task.id
        )
        await house.revocations.revoke("agent:support-bot", "operator:uid=0", "incident", house.now)
        async with await house.person("alice") as client:
            answer = await client.get("/v1/agents/support-bot")
        shown = answer.json()
        assert [one["id"] for one in shown["handles"]] == [row.id]
        assert [(one["id"], one["state"]) for one in shown["tasks"]] == [(task.id, "active")]
        assert (shown["standing"], shown["ended_by"], shown["may_lift"]) == ("ended", "operator:uid=0", False)
        assert secret not in answer.text
        assert row.digest not in answer.text

    asyncio.run(scenario())


def test_agents_come_in_pieces_over_the_api(house: House) -> None:
    """As many as were asked for, and where the rest begins; an odd number is a mistake."""

    async def scenario() -> None:
        async with house.operator() as client:
            first = (await client.get("/v1/agents?limit=2")).json()
            assert ([agent["id"] for agent in first["agents"]], first["next"]) == (["builder", "stray"], "stray")
            rest = (await client.get("/v1/agents?limit=2&after=stray")).json()
            assert [agent["id"] for agent in rest["agents"]] == ["support-bot"]
            assert "next" not in rest
            assert (await client.get("/v1/agents?limit=0")).json()["code"] == "limit_out_of_range"

    asyncio.run(scenario())
