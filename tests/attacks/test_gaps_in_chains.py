"""A chain with an asserted hop: what stood before the gap proves nothing, and its end is still the end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.identity.issuers import IssuerSettings
from proxy.identity.tokens import TokenVerifier
from proxy.stages import Identity
from tests.fakes.issuer import AUDIENCE, ISSUER
from tests.fakes.token_house import TokenHouse, details, error, good

GAP = {"iss": "https://other.example", "sub": "outer"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TokenHouse]:
    """The issuer may tell of actors of its own namespace, and of no other."""
    made = TokenHouse(tmp_path)
    keys = tmp_path / "jwks.json"
    tokens = TokenVerifier([IssuerSettings(ISSUER, AUDIENCE, ("ES256",), jwks_file=keys, endorses=(ISSUER,))])
    made.resolver._tokens = tokens
    made.serve_tokens(tokens=tokens)
    yield made
    made.close()


async def living(house: TokenHouse, token: str) -> Identity:
    await house.revocation_feed.poll(house.now)
    return await house.oauth.living(await house.resolver.prove_task_token(token, "", house.now))


async def both(house: TokenHouse, body: dict[str, Any]) -> list[str]:
    """The token of the exchange, and the next one for its task, which the agent got by its own key alone."""
    task = house.read(body["access_token"])["task"]
    asked = details(task_id=task, actions=None, purpose=None)
    newer = good(await house.ask(grant_type="client_credentials", authorization_details=asked))
    return [body["access_token"], newer["access_token"]]


@pytest.mark.parametrize("act", [GAP, GAP | {"act": {"sub": "inner"}}, {"sub": "inner", "act": GAP}])
@pytest.mark.parametrize("end", ["revoked", "left"])
def test_a_person_before_the_gap_ends_it(house: TokenHouse, end: str, act: dict[str, Any]) -> None:
    """Their token was shown, so nothing goes on without them; policy still sees nothing of them."""

    async def story() -> None:
        tokens = await both(house, good(await house.for_frank(subject_token=house.human(act=act))))
        for token in tokens:
            identity = await living(house, token)
            assert "frank" not in [one.id for one in identity.chain.members]
        house.now += 1
        if end == "revoked":
            await house.revocations.revoke("principal:frank", "x", "x", house.now)
        else:
            people = house.facts.people
            gone = people["frank"].model_copy(update={"active": False})
            house.facts = house.facts.model_copy(update={"people": people | {"frank": gone}})
        for token in tokens:
            with pytest.raises(Refused, match="identity_revoked" if end == "revoked" else "principal_inactive"):
                await living(house, token)

    asyncio.run(story())


def test_a_process_before_the_gap_ends_it(house: TokenHouse) -> None:
    """The same for a schedule."""

    async def story() -> None:
        body = good(await house.for_frank(subject_token=house.process(act=GAP)))
        tokens = await both(house, body)
        for token in tokens:
            assert (await living(house, token)).chain.complete is False
        house.now += 1
        await house.revocations.revoke("process:nightly", "x", "x", house.now)
        for token in tokens:
            with pytest.raises(Refused, match="identity_revoked"):
                await living(house, token)

    asyncio.run(story())


def test_another_house_before_the_gap_ends_it(house: TokenHouse) -> None:
    """Whoever was named may be ended, though nobody vouches for the name."""

    async def story() -> None:
        tokens = await both(house, good(await house.for_frank(subject_token=house.human(act=GAP))))
        house.now += 1
        await house.revocations.revoke("principal:https://other.example|outer", "x", "x", house.now)
        for token in tokens:
            with pytest.raises(Refused, match="identity_revoked"):
                await living(house, token)
        assert error(await house.for_frank(subject_token=house.human(act=GAP))) == "invalid_grant"

    asyncio.run(story())


def test_a_disabled_agent_before_the_gap_ends_it(house: TokenHouse) -> None:
    """An agent of ours that is named there may call nothing, and so may nobody behind it."""

    async def story() -> None:
        agents = house.facts.agents
        known = agents["builder"].model_copy(
            update={"identities": (agents["support-bot"].identities[0].model_copy(update={"subject": "builder@idp"}),)}
        )
        house.facts = house.facts.model_copy(update={"agents": agents | {"builder": known}})
        act = GAP | {"act": {"sub": "builder@idp"}}
        tokens = await both(house, good(await house.for_frank(subject_token=house.human(act=act))))
        disabled = known.model_copy(update={"enabled": False})
        house.facts = house.facts.model_copy(update={"agents": agents | {"builder": disabled}})
        for token in tokens:
            with pytest.raises(Refused, match="delegator_refused"):
                await living(house, token)
        assert error(await house.for_frank(subject_token=house.human(act=act))) == "invalid_grant"

    asyncio.run(story())
