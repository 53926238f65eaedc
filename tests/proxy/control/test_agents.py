"""Agents as their people see them."""

import asyncio

import pytest

from proxy.control.desk import Desk
from proxy.errors import Declined
from tests.fakes.control_house import House


async def desk(house: House, person: str) -> Desk:
    found = await house.door.with_session(await house.session(person))
    assert found is not None
    return found


def test_each_sees_the_agents_they_answer_for(house: House) -> None:
    """An owner and a deputy theirs, an auditor all, others none; and who may end which."""

    async def scenario() -> None:
        seen = {}
        for person in ("alice", "eve", "carol", "frank"):
            seen[person] = [(card.agent.id, card.may_end) for card in (await desk(house, person)).agents.list()]
        assert seen == {
            "alice": [("support-bot", True)],
            "eve": [("support-bot", True)],
            "carol": [("builder", False), ("stray", False), ("support-bot", False)],
            "frank": [],
        }

    asyncio.run(scenario())


def test_an_agent_without_owner_is_shown_as_such(house: House) -> None:
    """Its standing says why none of its calls pass."""

    async def scenario() -> None:
        card = (await desk(house, "carol")).agents.get("stray")
        assert (card.standing, card.owner) == ("agent_owner_missing", None)
        assert "has no owner" in card.detail

    asyncio.run(scenario())


@pytest.mark.parametrize(("by", "may_lift"), [("person:alice", True), ("operator:uid=0", False)])
def test_an_ended_agent_says_by_whom(house: House, by: str, may_lift: bool) -> None:
    """It cannot be ended again, and is lifted by its people only if they ended it."""

    async def scenario() -> None:
        await house.revocations.revoke("agent:support-bot", by, "odd", house.now)
        card = (await desk(house, "alice")).agents.get("support-bot")
        assert card.standing == "ended"
        assert card.ended is not None
        assert card.ended.by == by
        assert (card.may_end, card.may_lift) == (False, may_lift)

    asyncio.run(scenario())


def test_a_wider_end_shows_on_each_agent_and_is_not_theirs_to_lift(house: House) -> None:
    """With everything ended, the agent's page names that scope."""

    async def scenario() -> None:
        await house.revocations.revoke("agent:support-bot", "person:alice", "odd", house.now)
        await house.revocations.revoke("global", "operator:uid=0", "incident", house.now)
        card = (await desk(house, "alice")).agents.get("support-bot")
        assert card.ended is not None
        assert (card.ended.scope, card.may_lift) == ("global", False)

    asyncio.run(scenario())


def test_another_owners_agent_does_not_exist(house: House) -> None:
    """Unknown and not visible are the same answer."""

    async def scenario() -> None:
        for agent in ("builder", "none"):
            with pytest.raises(Declined) as caught:
                (await desk(house, "alice")).agents.get(agent)
            assert caught.value.code == "agent_unknown"

    asyncio.run(scenario())


def test_a_frozen_agent_can_be_ended_and_lifted_but_not_frozen_again(house: House) -> None:
    """An end of a narrower scope shows before a freeze of a wider one."""

    async def scenario() -> None:
        await house.revocations.revoke("team:support", "operator:uid=0", "look", house.now, kind="freeze")
        card = (await desk(house, "alice")).agents.get("support-bot")
        assert (card.standing, card.may_end, card.may_freeze, card.may_lift) == ("frozen", True, False, False)
        await house.revocations.revoke("agent:support-bot", "person:alice", "bad", house.now)
        card = (await desk(house, "alice")).agents.get("support-bot")
        assert card.ended is not None
        assert (card.standing, card.ended.scope, card.may_end, card.may_lift) == (
            "ended", "agent:support-bot", False, True,
        )  # fmt: skip

    asyncio.run(scenario())


def test_an_agent_whose_deputy_is_ended_is_shown_as_ended(house: House) -> None:
    """Its owner has left, its deputy answers for it, and all its calls are refused with the deputy's end."""

    async def scenario() -> None:
        alice = house.written.people["alice"].model_copy(update={"active": False})
        house.write(
            house.written.model_copy(update={"people": {**house.written.people, "alice": alice}}),
            when_owner_leaves="deputy",
        )
        seer = (await desk(house, "carol")).agents
        assert (seer.get("support-bot").standing, seer.get("support-bot").deputy) == ("", "eve")
        await house.revocations.revoke("owner:eve", "operator:uid=0", "odd", house.now)
        card = seer.get("support-bot")
        assert card.ended is not None
        assert (card.standing, card.ended.scope) == ("ended", "owner:eve")

    asyncio.run(scenario())


def test_agents_come_in_pieces(house: House) -> None:
    """By id, those after the last one that was seen, and what is not the caller's takes no place."""

    async def scenario() -> None:
        agents = (await desk(house, "carol")).agents
        assert [card.agent.id for card in agents.list(limit=2)] == ["builder", "stray"]
        assert [card.agent.id for card in agents.list(after="stray", limit=2)] == ["support-bot"]
        assert agents.list(after="support-bot", limit=2) == []
        assert agents.ids() == ["builder", "stray", "support-bot"]
        own = (await desk(house, "alice")).agents
        assert [card.agent.id for card in own.list(limit=1)] == own.ids() == ["support-bot"]

    asyncio.run(scenario())
