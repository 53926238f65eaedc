"""One running copy of an agent cannot shed what it is by asking for a task token."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.grants import EXCHANGE
from proxy.control.oauth.own_host import own_endpoints
from proxy.control.oauth.parties import CLIENT, HANDLE
from proxy.errors import Refused
from proxy.facts import Instances
from proxy.own_host import OWN_HOST
from proxy.stages import Evidence, Identity, Reply, Request
from tests.fakes.token_house import DOMAIN, PROXY, TokenHouse, details, good

TOKEN = {"grant_type": "client_credentials", "authorization_details": details()}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[TokenHouse]:
    """The support bot runs in many copies; `pod-2` is Carol's, the others are of the agent's owner."""
    made = TokenHouse(tmp_path)
    bot = made.facts.agents["support-bot"]
    copies = Instances(
        issuer=f"spiffe://{DOMAIN}", subject=f"spiffe://{DOMAIN}/bot/{{instance}}", owners={"pod-2": "carol"}
    )
    agents = made.facts.agents | {"support-bot": bot.model_copy(update={"instances": (copies,)})}
    made.facts = made.facts.model_copy(update={"agents": agents})
    yield made
    made.close()


async def copy(house: TokenHouse, name: str) -> Identity:
    """The connection of this copy, proven by its JWT-SVID."""
    await house.revocation_feed.poll(house.now)
    svid = house.svid(f"spiffe://{DOMAIN}/bot/{name}", PROXY)
    return await house.oauth.living(
        await house.resolver.prove(Evidence("", (("bearer", svid),)), house.now, house.facts)
    )


async def ask(house: TokenHouse, client: Identity, **form: str) -> Reply:
    await house.revocation_feed.poll(house.now)
    sent = (("content-type", "application/x-www-form-urlencoded"),)
    request = Request("POST", "https", OWN_HOST, 443, "/oauth2/token", "", sent, urlencode(form or TOKEN).encode())
    return await own_endpoints(house.server)[request.path](request, client)


async def token_of(house: TokenHouse, name: str, **form: str) -> str:
    reply = await ask(house, await copy(house, name), **form)
    assert reply.status == 200, reply.body
    return str(json.loads(reply.body)["access_token"])


async def living(house: TokenHouse, token: str) -> Identity:
    await house.revocation_feed.poll(house.now)
    return await house.oauth.living(await house.resolver.prove_task_token(token, "", house.now))


def test_a_task_token_says_which_copy_it_was_given_to(house: TokenHouse) -> None:
    """What is called with it is that copy's, and that copy's owner answers for it; so for what is made of it."""

    async def story() -> None:
        token = await token_of(house, "pod-2")
        identity = await living(house, token)
        assert (identity.proven.instance, identity.owner.id) == ("pod-2", "carol")
        assert "instance:support-bot/pod-2" in identity.scopes
        reply = await ask(house, identity, grant_type="client_credentials")
        assert (await living(house, json.loads(reply.body)["access_token"])).proven.instance == "pod-2"

    asyncio.run(story())


def test_a_copy_that_is_ended_takes_its_task_tokens_along(house: TokenHouse) -> None:
    """Also those that it handed on; the tokens of the other copies live."""

    async def story() -> None:
        theirs, others = await token_of(house, "pod-1"), await token_of(house, "pod-3")
        handed = good(
            await house.exchange(
                "builder", subject_token=theirs, authorization_details=details(),
                actor_token=await house.handle("builder"), actor_token_type=HANDLE,
            )
        )["access_token"]  # fmt: skip
        assert (await living(house, handed)).agent.id == "builder"
        house.now += 1
        await house.revocations.revoke("instance:support-bot/pod-1", "x", "x", house.now)
        for token in (theirs, handed):
            with pytest.raises(Refused, match="identity_revoked"):
                await living(house, token)
        assert (await living(house, others)).proven.instance == "pod-3"

    asyncio.run(story())


def test_a_copy_whose_own_owner_left_is_refused_with_a_task_token_too(house: TokenHouse) -> None:
    """It stands with its own owner alone, by whatever it shows itself."""

    async def story() -> None:
        token = await token_of(house, "pod-2")
        people = house.facts.people
        gone = people["carol"].model_copy(update={"active": False})
        house.facts = house.facts.model_copy(update={"people": people | {"carol": gone}})
        with pytest.raises(Refused, match="agent_owner_inactive"):
            await living(house, token)

    asyncio.run(story())


def test_two_copies_are_not_one(house: TokenHouse) -> None:
    """A copy gets no token by the token of another, as a connection that showed both would be refused."""

    async def story() -> None:
        token = await token_of(house, "pod-1")
        form = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
        reply = await ask(house, await copy(house, "pod-3"), **form)
        assert (reply.status, json.loads(reply.body)["error"]) == (400, "invalid_grant")
        assert (await ask(house, await copy(house, "pod-1"), **form)).status == 200

    asyncio.run(story())


def test_a_copy_that_acts_for_a_person_stays_that_copy(house: TokenHouse) -> None:
    """The actor is the client itself; what comes out says which of its copies."""

    async def story() -> None:
        form = {
            "grant_type": EXCHANGE, "authorization_details": details(), "actor_token": "support-bot",
            "actor_token_type": CLIENT, "subject_token": house.human(), "subject_token_type": ACCESS_TOKEN,
        }  # fmt: skip
        identity = await living(house, await token_of(house, "pod-2", **form))
        assert (identity.proven.instance, identity.chain.root.id) == ("pod-2", "frank")

    asyncio.run(story())
