"""Who stands at the root of a chain."""

import asyncio
from typing import Any

import pytest

from proxy.control.oauth.mistakes import OAuthMistake
from proxy.control.oauth.parties import CLIENT
from proxy.control.oauth.roots import Root, root_of
from proxy.stages import Evidence, Presence, Principal
from tests.fakes.issuer import ISSUER, NOW
from tests.fakes.token_house import CRON, CRON_SVID, TokenHouse, details, error, good

FRANK = Principal("human", "frank")
NIGHTLY = Principal("business_process", "nightly")


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
def test_scopes_say_what_may_be_done(scopes: set[str], tool: str, lets: bool) -> None:
    """All that we may do, or these tools; a scope that we do not know lets nothing."""
    assert Root(FRANK, 1.0, frozenset(scopes), (), "").lets(tool) is lets
    assert Root(NIGHTLY, 1.0, frozenset(scopes), (), "", agents=("a",)).lets(tool) is lets


def test_without_a_word_of_scope_only_a_process_lets_anything() -> None:
    """Its agents are in the inventory, where somebody answers for it; a person says it themselves."""
    assert Root(NIGHTLY, 1.0, None, (), "", agents=("a",)).lets("crm/find")
    assert not Root(FRANK, 1.0, None, (), "").lets("crm/find")


def test_a_process_shows_itself_by_its_token(house: TokenHouse) -> None:
    """It is the root as what it is, never as a person; the end of the process ends it."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        root = await root_of(house.process(jti="cron-1"), house.oauth)
        assert (root.principal, root.agents, root.scopes, root.method) == (
            NIGHTLY, ("support-bot",), None, "access_token",
        )  # fmt: skip
        assert {"process:nightly", f"principal:{ISSUER}|{CRON}"} <= set(root.ends)
        for scope in ("process:nightly", f"principal:{ISSUER}|{CRON}", f"token:{ISSUER}|cron-1"):
            await house.revocations.revoke(scope, "x", "x", house.now)
            with pytest.raises(OAuthMistake) as caught:
                await root_of(house.process(jti="cron-1"), house.oauth)
            assert caught.value.error == "invalid_grant"
            await house.revocations.lift(scope)

    asyncio.run(story())


@pytest.mark.parametrize(
    "changes", [{"scope": ""}, {"scope": 7}, {"scope": ["crm/*"]}, {"scope": None, "name": "frank"}]
)
def test_a_scope_that_is_there_and_says_nothing_lets_nothing(house: TokenHouse, changes: dict[str, Any]) -> None:
    """Of a process too; and of a person, one that is not there."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        token = house.human(scope=None) if changes.pop("name", "") else house.process(**changes)
        with pytest.raises(OAuthMistake, match="`scope`"):
            await root_of(token, house.oauth)

    asyncio.run(story())


def test_a_process_shows_itself_by_its_svid(house: TokenHouse) -> None:
    """For our issuer alone, until its own end without tolerance; without a trust domain it is nobody's."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        token = house.svid()
        with pytest.raises(Exception, match="identity_invalid"):
            await root_of(token, house.oauth)
        house.serve_tokens(svids=house.svids)
        root = await root_of(token, house.oauth)
        assert (root.principal, root.method, root.expires) == (NIGHTLY, "jwt_svid", NOW + 300)
        assert f"principal:spiffe://prod.example|{CRON_SVID}" in root.ends
        with pytest.raises(Exception, match="token_audience"):
            await root_of(house.svid(audience="https://other"), house.oauth)
        with pytest.raises(OAuthMistake, match="nobody in the inventory"):
            await root_of(house.svid("spiffe://prod.example/cron/other"), house.oauth)

    asyncio.run(story())


def test_an_agent_is_no_root(house: TokenHouse) -> None:
    """Its token as subject is nobody's: an agent hands on with a task token of ours."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        with pytest.raises(OAuthMistake, match="nobody in the inventory"):
            await root_of(house.agents_own(scope="countersign_task"), house.oauth)

    asyncio.run(story())


def test_a_persons_sign_in_goes_with_them_into_the_task(house: TokenHouse) -> None:
    """Verified with their token: into the root's proof, and before policy, also below and after it is read back."""

    async def story() -> None:
        signed_in = {"auth_time": int(house.now) - 300, "acr": "gold", "amr": ["pwd", "otp"]}
        body = good(await house.for_frank(subject_token=house.human(**signed_in)))
        child = good(await house.exchange(
            subject_token=body["access_token"], actor_token="support-bot", actor_token_type=CLIENT,
            authorization_details=details(),
        ))  # fmt: skip
        house.tasks.forget()
        for token in (body["access_token"], child["access_token"]):
            proven = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
            chain = house.resolver.attribute(proven, house.facts, house.now).chain
            assert chain.presence == Presence(int(house.now) - 300, "gold", ("pwd", "otp"))
        silent = house.read(good(await house.for_frank())["access_token"])
        task = await house.tasks.find(silent["task"])
        assert task is not None
        assert task.delegation.chain().presence is None
        for wrong in ({"auth_time": int(house.now) + 600}, {"amr": "otp"}, {"acr": 2}):
            assert error(await house.for_frank(subject_token=house.human(**wrong))) in {
                "invalid_grant",
                "invalid_request",
            }

    asyncio.run(story())


def test_a_client_named_as_a_person_is_not_that_person(house: TokenHouse) -> None:
    """A token whose subject is its client is a machine's own, whatever the machine is called."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        with pytest.raises(OAuthMistake, match="stands for no person") as caught:
            await root_of(house.human(client_id="frank@idp"), house.oauth)
        assert caught.value.error == "invalid_grant"

    asyncio.run(story())


def test_a_process_of_one_client_is_not_another_clients(house: TokenHouse) -> None:
    """Where the inventory says which client its tokens are issued to."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        nightly = house.facts.processes["nightly"]
        only = tuple(one.model_copy(update={"client_id": "cron"}) for one in nightly.identities)
        nightly = nightly.model_copy(update={"identities": only})
        house.facts = house.facts.model_copy(update={"processes": {"nightly": nightly}})
        assert (await root_of(house.process(client_id="cron"), house.oauth)).principal == NIGHTLY
        with pytest.raises(OAuthMistake, match="nobody in the inventory"):
            await root_of(house.process(jti="cron-1"), house.oauth)

    asyncio.run(story())


@pytest.mark.parametrize("claim", [{"auth_time": 1}, {"amr": ["pwd"]}])
def test_whoever_signed_in_is_no_process(house: TokenHouse, claim: dict[str, Any]) -> None:
    """A person whose account is called as the process is; the same claims of a known person are as they should be."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        with pytest.raises(OAuthMistake, match="stands for no process"):
            await root_of(house.process(**claim), house.oauth)
        assert (await root_of(house.human(**claim), house.oauth)).principal == FRANK

    asyncio.run(story())


def test_a_root_says_to_whom_its_token_was_issued(house: TokenHouse) -> None:
    """By the token's own word, under its issuer; without a setting that makes nobody an actor."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        root = await root_of(house.human(client_id="workbench"), house.oauth)
        assert (root.issued_to, root.actors) == ((ISSUER, "workbench"), frozenset())

    asyncio.run(story())
