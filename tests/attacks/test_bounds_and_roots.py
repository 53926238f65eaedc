"""A credential of a bounded task cannot shed its bounds by somebody else's token."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.grants import EXCHANGE
from proxy.control.oauth.parties import CLIENT
from proxy.tasks.budget import Budget
from proxy.tasks.task import NewTask
from tests.fakes.token_house import TokenHouse, details, error, good


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TokenHouse]:
    made = TokenHouse(tmp_path)
    yield made
    made.close()


async def with_handle(house: TokenHouse, handle: str, subject: str) -> httpx.Response:
    """The bearer of this handle wants to act for whom this token is of."""
    await house.revocation_feed.poll(house.now)
    form = {
        "grant_type": EXCHANGE, "subject_token": subject, "subject_token_type": ACCESS_TOKEN,
        "actor_token": "support-bot", "actor_token_type": CLIENT, "authorization_details": details(),
    }  # fmt: skip
    async with house.client() as client:
        return await client.post("/oauth2/token", data=form, headers={"authorization": f"Bearer {handle}"})


def test_a_handle_of_a_task_begins_nothing_beside_it(house: TokenHouse) -> None:
    """A program that was given ten calls of one tool, and comes upon a person's token, has still no more than that.

    Neither a person's token nor a process's helps it. A handle that bounds nothing is as good as ever.
    """

    async def story() -> None:
        new = NewTask(
            agent="support-bot", purpose="x", deadline=house.now + 600, tools=("crm/read",), budget=Budget(calls=10)
        )
        task = await house.tasks.create(new, by="person:alice", now=house.now)
        bounded = await house.handle(task=task.id)
        for subject in (house.human(), house.process()):
            assert error(await with_handle(house, bounded, subject)) == "invalid_grant"
        assert len(await house.tasks.list(agents=["support-bot"])) == 1
        assert good(await with_handle(house, await house.handle(), house.human()))["access_token"]

    asyncio.run(story())
