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
            house.oauth.living(proven)
        await house.revocation_feed.poll(house.now)
        assert house.oauth.living(proven).agent.id == "support-bot"
        await house.revocations.revoke("owner:alice", "x", "x", house.now)
        with pytest.raises(Refused, match="identity_revoked"):
            house.oauth.living(proven)

    asyncio.run(story())
