"""What begins for what was asked for."""

import asyncio
from typing import Any

import pytest

from proxy.control.oauth.beginning import DEFAULT_LIFE, Beginning, Below, credentials, targets_of
from proxy.control.oauth.details import Asked
from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.stages import Evidence, Identity
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import Task
from tests.fakes.token_house import TokenHouse

NOWHERE = targets_of(Form({}, (), ()))


async def bot(house: TokenHouse) -> Identity:
    await house.revocation_feed.poll(house.now)
    shown = Evidence("", (("bearer", await house.handle()),))
    return await house.oauth.living(await house.resolver.prove(shown, house.now, house.facts))


async def begun(house: TokenHouse, asked: Asked, parent: Task | None = None, **changes: Any) -> Task:
    end = changes.pop("not_after", house.now + 10_000)
    below = Below(await bot(house), parent, None, None, "token_exchange", end, changes.pop("targets", NOWHERE))
    return await Beginning(house.oauth).begin(asked, below)


def test_what_is_not_said_is_the_agents_and_an_hour(house: TokenHouse) -> None:
    """Purpose and ticket of the inventory; never longer than what was shown."""

    async def story() -> None:
        asked = Asked(tools=("payments/refund",))
        task = await begun(house, asked)
        assert (task.purpose, task.ticket) == ("Answers customers and refunds orders", "OPS-7")
        assert (task.deadline, task.created_by) == (house.now + DEFAULT_LIFE, "agent:support-bot")
        assert (await begun(house, asked, not_after=house.now + 60)).deadline == house.now + 60
        assert (await begun(house, Asked(tools=("payments/refund",), ttl=30))).deadline == house.now + 30

    asyncio.run(story())


def test_below_a_task_what_is_not_said_is_all_of_it(house: TokenHouse) -> None:
    """Its tools, its datasets, its purpose, its end; more is refused."""

    async def story() -> None:
        above = await begun(house, Asked(tools=("payments/refund",), datasets=("read:ledger",), purpose="why", ttl=60))
        below = await begun(house, Asked(), above)
        assert (below.tools, below.datasets, below.purpose, below.deadline) == (
            above.tools, above.datasets, "why", above.deadline,
        )  # fmt: skip
        with pytest.raises(TaskMistake, match="not among the tools"):
            await begun(house, Asked(tools=("payments/*",)), above)

    asyncio.run(story())


def test_only_the_end_of_a_single_credential_is_the_tasks_end() -> None:
    """What is revoked of somebody at large is asked by who they are; each credential is named once."""
    shown = ("token:iss|1", "task:t", "global", "principal:iss|a", "agent:bot", "token:iss|1", "key:iss|k")
    assert credentials(shown) == ("token:iss|1", "principal:iss|a", "key:iss|k")


def test_nothing_begins_for_elsewhere_or_for_no_time(house: TokenHouse) -> None:
    """Another audience, a resource that the task goes beyond, less than a second."""

    async def story() -> None:
        tools = ("payments/refund", "crm/*")
        for resource, audience in (("https://crm.example/api", ()), ("https://nowhere.example", ()), (None, ("x",))):
            targets = targets_of(Form({}, (resource,) if resource else (), audience))
            with pytest.raises(OAuthMistake) as caught:
                await begun(house, Asked(tools=tools), targets=targets)
            assert caught.value.error == "invalid_target"
        with pytest.raises(OAuthMistake, match="at least 1"):
            await begun(house, Asked(tools=tools, ttl=0))
        assert await house.tasks.list() == []

    asyncio.run(story())
