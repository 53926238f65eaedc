"""Who somebody is now."""

import asyncio

import pytest

from proxy.errors import Refused
from proxy.stages import Evidence
from tests.fakes.token_house import TokenHouse


def test_only_the_living_ask(house: TokenHouse) -> None:
    """With an owner, not revoked, and while revocations are heard of."""

    async def story() -> None:
        evidence = Evidence("", (("bearer", await house.handle()),))
        proven = await house.resolver.prove(evidence, house.now, house.facts)
        with pytest.raises(Refused, match="revocations_stale"):
            await house.oauth.living(proven)
        await house.revocation_feed.poll(house.now)
        assert (await house.oauth.living(proven)).agent.id == "support-bot"
        await house.revocations.revoke("owner:alice", "x", "x", house.now)
        with pytest.raises(Refused, match="identity_revoked"):
            await house.oauth.living(proven)

    asyncio.run(story())


def test_who_stood_still_hears_before_it_refuses(house: TokenHouse) -> None:
    """Word that is old, while it is asked for all the time, is waited for; where nobody asks, nobody waits."""

    async def story() -> None:
        evidence = Evidence("", (("bearer", await house.handle()),))
        proven = await house.resolver.prove(evidence, house.now, house.facts)
        with pytest.raises(Refused, match="revocations_stale"):
            await house.oauth.living(proven)
        polling = asyncio.create_task(house.revocation_feed.run(lambda: house.now))
        await asyncio.sleep(0)
        house.now += 6
        assert (await house.oauth.living(proven)).agent.id == "support-bot"
        polling.cancel()

    asyncio.run(story())
