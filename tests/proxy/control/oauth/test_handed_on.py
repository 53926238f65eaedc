"""What a transaction token hands on, and to whom."""

import asyncio
from typing import Any

import pytest

from proxy.control.oauth.handed_on import handed_on
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.stages import Evidence, Identity
from tests.fakes.accounts import hmac_signed, with_parts
from tests.fakes.issuer import NOW, sign
from tests.fakes.token_house import TokenHouse, good


async def agent(house: TokenHouse, name: str = "builder") -> Identity:
    await house.revocation_feed.poll(house.now)
    shown = Evidence("", (("bearer", await house.handle(name)),))
    return await house.oauth.living(await house.resolver.prove(shown, house.now, house.facts))


async def task_for_frank(house: TokenHouse) -> str:
    return str(house.read(good(await house.for_frank())["access_token"])["task"])


async def refused(house: TokenHouse, token: str, name: str = "builder") -> str:
    with pytest.raises(OAuthMistake) as caught:
        await handed_on(token, await agent(house, name), house.oauth)
    return caught.value.error


def test_a_call_is_handed_on_to_the_agent_behind_its_service(house: TokenHouse) -> None:
    """With the task of that call, and the one who made it."""

    async def story() -> None:
        above = await task_for_frank(house)
        handed = await handed_on(house.told(above), await agent(house), house.oauth)
        assert (handed.parent.id, handed.caller.agent.id, handed.expires) == (above, "support-bot", NOW + 60)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"rctx": {"dst": "https://crm.example"}}, "unauthorized_client"),
        ({"rctx": {"dst": "http://planner.internal"}}, "unauthorized_client"),
        ({"rctx": {"dst": "https://planner.internal:444"}}, "unauthorized_client"),
        ({"scope": "crm.execute"}, "unauthorized_client"),
        ({"scope": "nothing"}, "unauthorized_client"),
        ({"tctx": {"task": "nightly"}}, "invalid_grant"),
        ({"tctx": {"task": None}}, "invalid_request"),
        ({"aud": "other.example"}, "invalid_grant"),
        ({"iss": "spiffe://other.example/countersign"}, "invalid_grant"),
        ({"exp": int(NOW), "iat": int(NOW) - 60}, "invalid_grant"),
        ({"exp": int(NOW) + 400}, "invalid_request"),
        ({"iat": int(NOW) + 5}, "invalid_request"),
        ({"act": None}, "invalid_request"),
        ({"sub": "human:olivia"}, "invalid_request"),
    ],
)
def test_what_it_says_must_be_so(house: TokenHouse, changes: dict[str, Any], code: str) -> None:
    """For this service, of a task that there is, of us, in time, and of one piece: even if our own key signed it."""

    async def story() -> None:
        above = await task_for_frank(house)
        assert await refused(house, house.told(above, **changes)) == code

    asyncio.run(story())


def test_the_caller_is_the_one_of_the_task(house: TokenHouse) -> None:
    """A token that names another caller than the task has does not fit, whoever signed it."""

    async def story() -> None:
        above = await task_for_frank(house)
        assert await refused(house, house.told(above, "human:frank", "builder")) == "invalid_grant"

    asyncio.run(story())


def test_nobody_elses_word_counts(house: TokenHouse) -> None:
    """By another key, by an HMAC with our public key, with a changed payload, as another type, or with `alg` none."""

    async def story() -> None:
        above = await task_for_frank(house)
        good_one = house.told(above)
        head = {"typ": "txntoken+jwt", "alg": "ES256", "kid": house.signer.key_id}
        task_token = good(await house.for_frank())["access_token"]
        for forged in (
            sign({"iss": "spiffe://prod.example/countersign"}, head, name="k1"),
            hmac_signed(house.signer, good_one),
            with_parts(good_one, payload={"sub": "human:olivia"}),
            with_parts(good_one, head=head | {"alg": "none"}),
            with_parts(good_one, head=head | {"typ": "at+jwt"}),
            good_one + "=",
            task_token,
            "nonsense",
        ):
            assert await refused(house, forged) == "invalid_request", forged

    asyncio.run(story())


@pytest.mark.parametrize("change", ["no agent", "other agent", "not ours", "no minter"])
def test_only_the_agent_that_the_inventory_names_goes_on(house: TokenHouse, change: str) -> None:
    """Another agent, a service that names none, one that is not of our house any more: nothing."""

    async def story() -> None:
        above = await task_for_frank(house)
        token = house.told(above)
        assert await refused(house, token, "support-bot") == "unauthorized_client"
        update: dict[str, Any] = {
            "no agent": {"agent": None}, "other agent": {"agent": "support-bot"}, "not ours": {"trust": "partner"},
        }.get(change, {})  # fmt: skip
        planner = house.facts.services["planner"].model_copy(update=update)
        house.facts = house.facts.model_copy(update={"services": {**house.facts.services, "planner": planner}})
        if change == "no minter":
            house.serve_tokens(txn_tokens=None)
            assert await refused(house, token) == "invalid_request"
        else:
            assert await refused(house, token) == "unauthorized_client"

    asyncio.run(story())


@pytest.mark.parametrize("scope", ["agent:support-bot", "principal:frank", "owner:alice", "task"])
def test_whoever_was_ended_hands_nothing_on(house: TokenHouse, scope: str) -> None:
    """The caller, who it acts for, who answers for it, the task."""

    async def story() -> None:
        above = await task_for_frank(house)
        token = house.told(above)
        await house.revocations.revoke(f"task:{above}" if scope == "task" else scope, "x", "x", house.now)
        assert await refused(house, token) == "invalid_grant"

    asyncio.run(story())


def test_it_counts_once_for_each_agent(house: TokenHouse) -> None:
    """Whoever reads it makes the same proof of it, and of another call another one."""

    async def story() -> None:
        above = await task_for_frank(house)
        token = house.told(above)
        first, again = [(await handed_on(token, await agent(house), house.oauth)).once for _ in range(2)]
        assert (first, first.uses, first.expires) == (again, 1, NOW + 60)
        other = (await handed_on(house.told(above), await agent(house), house.oauth)).once
        assert other.name(0) != first.name(0)

    asyncio.run(story())
