"""On whose behalf, and by whom."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.parties import CLIENT, HANDLE, JWT, Holder, actor_of, level_of, require_actor, subject_of
from proxy.control.oauth.roots import Root
from proxy.facts import Person
from proxy.stages import Evidence, Identity, Principal
from tests.fakes.issuer import ISSUER, NOW
from tests.fakes.token_house import BOT, TokenHouse, good

FRANK = Principal("human", "frank")


def form(**single: str) -> Form:
    return Form(single, (), ())


async def client(house: TokenHouse) -> Identity:
    """The support bot, by a handle."""
    shown = Evidence("", (("bearer", await house.handle()),))
    return await house.oauth.living(await house.resolver.prove(shown, house.now, house.facts))


def test_a_subject_is_a_person_or_the_holder_of_a_task(house: TokenHouse) -> None:
    """What the token says decides, not its claimed type; the time is the token's own, without tolerance."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        human = await subject_of(
            form(subject_token=house.human(), subject_token_type=JWT), await client(house), house.oauth
        )
        assert isinstance(human, Root)
        assert (human.principal.id, human.expires, human.may_act) == ("frank", NOW + 600, ())
        token = (await house.own())["access_token"]
        holder = await subject_of(
            form(subject_token=token, subject_token_type=ACCESS_TOKEN), await client(house), house.oauth
        )
        assert isinstance(holder, Holder)
        assert holder.identity.agent.id == "support-bot"

    asyncio.run(story())


def test_two_people_with_one_account_are_nobody(house: TokenHouse) -> None:
    """A subject that two claim belongs to neither."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        twin = Person(id="twin", name="Twin", identities=house.facts.people["frank"].identities)
        house.facts = house.facts.model_copy(update={"people": {**house.facts.people, "twin": twin}})
        with pytest.raises(OAuthMistake) as caught:
            await subject_of(
                form(subject_token=house.human(), subject_token_type=ACCESS_TOKEN), await client(house), house.oauth
            )
        assert caught.value.error == "invalid_grant"

    asyncio.run(story())


def test_an_actor_is_optional_but_whole(house: TokenHouse) -> None:
    """None if nothing came; a handle by its own type; half of it, or something else as a handle, is a mistake."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        assert await actor_of(form(), await client(house), house.oauth) is None
        shown = await actor_of(
            form(actor_token=await house.handle(), actor_token_type=HANDLE), await client(house), house.oauth
        )
        assert shown is not None
        assert (shown.identity.agent.id, shown.expires) == ("support-bot", NOW + 600)
        for broken in (
            form(actor_token="x"),
            form(actor_token_type=HANDLE),
            form(actor_token="x", actor_token_type=JWT),
        ):
            with pytest.raises(OAuthMistake) as caught:
                await actor_of(broken, await client(house), house.oauth)
            assert caught.value.error == "invalid_request"

    asyncio.run(story())


def test_the_client_is_the_actor_only_if_it_says_so(house: TokenHouse) -> None:
    """By its own id, under a type of its own, as long as what it showed lasts; never with a chain."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        itself = await client(house)
        shown = await actor_of(form(actor_token="support-bot", actor_token_type=CLIENT), itself, house.oauth)
        assert shown is not None
        assert (shown.identity, shown.expires) == (itself, NOW + 600)
        with pytest.raises(OAuthMistake, match="own id"):
            await actor_of(form(actor_token="builder", actor_token_type=CLIENT), itself, house.oauth)
        token = good(await house.for_frank())["access_token"]
        chained = await house.oauth.living(await house.resolver.prove_task_token(token, "", house.now))
        with pytest.raises(OAuthMistake, match="without `act`"):
            await actor_of(form(actor_token="support-bot", actor_token_type=CLIENT), chained, house.oauth)

    asyncio.run(story())


def test_a_partners_agent_with_a_credential_of_ours_is_its_partners_word(house: TokenHouse) -> None:
    """A handle or a task token that we gave out was not shown by the agent alone; what its partner issued was."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        itself = await client(house)
        assert level_of(itself) == "verified"
        hosted = replace(itself, agent=itself.agent.model_copy(update={"partner": "acme"}))
        assert level_of(hosted) == "endorsed"
        for method, level in (("task_token", "endorsed"), ("jwt", "verified"), ("private_key_jwt", "verified")):
            assert level_of(replace(hosted, proven=replace(hosted.proven, method=method))) == level

    asyncio.run(story())


@pytest.mark.parametrize(
    ("changes", "actors", "passes"),
    [
        ({"issued_to": (ISSUER, BOT)}, (), True),
        ({"issued_to": (ISSUER, "workbench")}, ("support-bot",), True),
        ({"issued_to": (ISSUER, "workbench")}, ("builder",), False),
        ({"issued_to": (ISSUER, "workbench")}, (), False),
        ({"issued_to": (ISSUER, "")}, ("support-bot",), False),
        ({"issued_to": ("https://other", BOT)}, (), False),
        ({"issued_to": (ISSUER, "workbench")}, None, True),
        ({"may_act": ({"iss": ISSUER, "sub": BOT},)}, (), True),
        ({"may_act": ({"iss": ISSUER, "sub": "x"},), "issued_to": (ISSUER, BOT)}, None, False),
        ({"agents": ("support-bot",)}, (), True),
        ({"agents": ("builder",)}, None, False),
        ({"agents": ("support-bot",), "may_act": ({"iss": ISSUER, "sub": "x"},)}, (), False),
    ],
)
def test_nobody_acts_for_a_person_because_they_hold_their_token(
    house: TokenHouse, changes: dict[str, Any], actors: tuple[str, ...] | None, passes: bool
) -> None:
    """The token names the actor, or was issued to it, or to a client that the settings give it. A process has its
    agents in the inventory, and no setting adds to them."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        root = Root(FRANK, NOW, frozenset(), (), "", actors=None if actors is None else frozenset(actors), **changes)
        itself = await client(house)
        if passes:
            require_actor(root, itself)
        else:
            with pytest.raises(OAuthMistake) as caught:
                require_actor(root, itself)
            assert caught.value.error == "invalid_grant"

    asyncio.run(story())
