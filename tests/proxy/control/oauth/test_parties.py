"""On whose behalf, and by whom."""

import asyncio

import pytest

from proxy.control.oauth.forms import Form
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.parties import ACCESS_TOKEN, HANDLE, JWT, Holder, Human, actor_of, subject_of
from proxy.facts import Person
from tests.fakes.issuer import NOW
from tests.fakes.token_house import TokenHouse


def form(**single: str) -> Form:
    return Form(single, (), ())


def test_a_subject_is_a_person_or_the_holder_of_a_task(house: TokenHouse) -> None:
    """What the token says decides, not its claimed type; the time is the token's own, without tolerance."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        human = await subject_of(form(subject_token=house.human(), subject_token_type=JWT), house.oauth)
        assert isinstance(human, Human)
        assert (human.person.id, human.expires, human.may_act) == ("frank", NOW + 600, ())
        token = (await house.own())["access_token"]
        holder = await subject_of(form(subject_token=token, subject_token_type=ACCESS_TOKEN), house.oauth)
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
            await subject_of(form(subject_token=house.human(), subject_token_type=ACCESS_TOKEN), house.oauth)
        assert caught.value.error == "invalid_grant"

    asyncio.run(story())


def test_a_client_named_as_a_person_is_not_that_person(house: TokenHouse) -> None:
    """A token whose subject is its client is a machine's own, whatever the machine is called."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        machines = house.human(client_id="frank@idp")
        with pytest.raises(OAuthMistake, match="stands for no person") as caught:
            await subject_of(form(subject_token=machines, subject_token_type=ACCESS_TOKEN), house.oauth)
        assert caught.value.error == "invalid_grant"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("scopes", "tool", "lets"),
    [
        ({"countersign_task"}, "crm/find", True),
        ({"crm/find"}, "crm/find", True),
        ({"crm/*"}, "crm/find", True),
        ({"crm/find"}, "crm/*", False),
        ({"openid"}, "crm/find", False),
        (set(), "crm/find", False),
    ],
)
def test_a_persons_scopes_say_what_may_be_done(scopes: set[str], tool: str, lets: bool) -> None:
    """All that we may do, or these tools; a scope that we do not know lets nothing."""
    human = Human(Person(id="frank", name="F"), 1.0, frozenset(scopes), (), (), "")
    assert human.lets(tool) is lets


def test_an_actor_is_optional_but_whole(house: TokenHouse) -> None:
    """None if nothing came; a handle by its own type; half of it, or something else as a handle, is a mistake."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        assert await actor_of(form(), house.oauth) is None
        shown = await actor_of(form(actor_token=await house.handle(), actor_token_type=HANDLE), house.oauth)
        assert shown is not None
        assert (shown.identity.agent.id, shown.expires) == ("support-bot", NOW + 600)
        for broken in (
            form(actor_token="x"),
            form(actor_token_type=HANDLE),
            form(actor_token="x", actor_token_type=JWT),
        ):
            with pytest.raises(OAuthMistake) as caught:
                await actor_of(broken, house.oauth)
            assert caught.value.error == "invalid_request"

    asyncio.run(story())
