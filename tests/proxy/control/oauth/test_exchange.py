"""Token exchange in all its forms; `test_grants` has those of people and of agents among themselves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.parties import CLIENT, HANDLE, JWT, TXN_TOKEN
from proxy.identity.issuers import IssuerSettings
from proxy.identity.tokens import TokenVerifier
from proxy.stages import Chain, Evidence
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW
from tests.fakes.token_house import BOT, TokenHouse, details, error, good

ITSELF = {"actor_token": "support-bot", "actor_token_type": CLIENT}
BUILDER = {"actor_token": "builder", "actor_token_type": CLIENT}


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """One story."""

    async def main() -> None:
        await scenario()

    asyncio.run(main())


async def for_process(house: TokenHouse, **form: Any) -> httpx.Response:
    """The support bot exchanges the nightly schedule's token, as itself."""
    return await house.exchange(
        **({"subject_token": house.process(), "authorization_details": details()} | ITSELF | form)
    )


# --- a business process -------------------------------------------------------------------------------------


def test_a_process_is_acted_for_as_what_it_is(house: TokenHouse) -> None:
    """Its id at the root, as a business process, one verified hop; on a call it stands so before policy."""

    async def story() -> None:
        body = good(await for_process(house))
        said = house.read(body["access_token"])
        assert (said["sub"], said["sub_profile"], said["act"]["sub"]) == ("nightly", "business_process", "support-bot")
        identity = await proven(house, body["access_token"])
        assert [f"{one.kind}:{one.id}" for one in identity.chain.members] == [
            "business_process:nightly", "agent:support-bot",
        ]  # fmt: skip
        assert {"process:nightly", "owner:bob"} <= set(identity.scopes)
        assert identity.proven.on_behalf_of is None

    run(story)


def test_a_process_by_its_svid(house: TokenHouse) -> None:
    """Nothing else of it is needed."""

    async def story() -> None:
        house.serve_tokens(svids=house.svids)
        form = {"subject_token": house.svid(), "subject_token_type": JWT}
        body = good(await for_process(house, **form))
        assert body["expires_in"] == 300
        task = await house.tasks.find(house.read(body["access_token"])["task"])
        assert task is not None
        assert task.delegation.links[0].proof.method == "jwt_svid"

    run(story)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"agents": ("builder",)}, "invalid_grant"),
        ({"agents": ()}, "invalid_grant"),
        ({"enabled": False}, "invalid_grant"),
        ({"expires": date(2020, 1, 1)}, "invalid_grant"),
        ({"review_due": date(2020, 1, 1)}, "invalid_grant"),
        ({"owner": "dave"}, "invalid_grant"),
        ({"owner": "nobody"}, "invalid_grant"),
        ({"identities": ()}, "invalid_grant"),
    ],
)
def test_a_process_that_does_not_stand_gives_nothing(house: TokenHouse, change: dict[str, Any], code: str) -> None:
    """Nor may what it gave before be used: its agents, its owner and its dates count at every call."""

    async def story() -> None:
        token = good(await for_process(house))["access_token"]
        nightly = house.facts.processes["nightly"].model_copy(update=change)
        house.facts = house.facts.model_copy(update={"processes": {"nightly": nightly}})
        assert error(await for_process(house)) == code
        with pytest.raises(Exception, match=r"principal_inactive|process_agent_refused|identity_revoked"):
            await proven(house, token)
        house.facts = house.facts.model_copy(update={"processes": {}})
        with pytest.raises(Exception, match="principal_unknown"):
            await proven(house, token)

    run(story)


def test_what_is_done_for_a_process_ends_with_it(house: TokenHouse) -> None:
    """Its scope, its owner's, its account at the issuer: each ends the token that was got with it."""

    async def story() -> None:
        for scope in ("process:nightly", "owner:bob", f"principal:{ISSUER}|nightly@idp"):
            token = good(await for_process(house))["access_token"]
            await proven(house, token)
            await house.revocations.revoke(scope, "x", "x", house.now)
            with pytest.raises(Exception, match="identity_revoked"):
                await proven(house, token)
            await house.revocations.lift(scope)

    run(story)


def test_a_name_in_a_ticket_makes_no_human_root(house: TokenHouse) -> None:
    """Ticket and purpose are words: whatever they say, the root is who showed itself."""

    async def story() -> None:
        asked = details(ticket="OPS-7 for frank", purpose="on behalf of frank", datatypes=[])
        said = house.read(good(await for_process(house, authorization_details=asked))["access_token"])
        assert (said["sub"], said["sub_profile"]) == ("nightly", "business_process")
        own = house.read((await house.own(ticket="frank", purpose="frank asked for it"))["access_token"])
        assert (own["sub"], "act" in own) == ("support-bot", False)

    run(story)


def test_a_process_hands_down_through_its_agent(house: TokenHouse) -> None:
    """The agent that it names may hand on; an agent further down need not be named, and is bound to the same root."""

    async def story() -> None:
        token = good(await for_process(house))["access_token"]
        form = {"actor_token": await house.handle("builder"), "actor_token_type": "urn:countersign:token-type:handle"}
        part = details(ttl_seconds=60)
        there = good(await house.exchange(subject_token=token, authorization_details=part, **form))["access_token"]
        assert [one.id for one in (await proven(house, there)).chain.members] == ["nightly", "support-bot", "builder"]

    run(story)


# --- a chain that came from elsewhere -------------------------------------------------------------------------


def endorsing(house: TokenHouse, *endorses: str) -> None:
    """The issuer may tell of actors of these namespaces."""
    profile = IssuerSettings(
        issuer=ISSUER, audience=AUDIENCE, algorithms=("ES256",), jwks_file=house.folder / "jwks.json", endorses=endorses
    )
    tokens = TokenVerifier([profile])
    house.resolver._tokens = tokens
    house.serve_tokens(tokens=tokens)


def test_without_a_word_in_the_configuration_no_chain_comes_in(house: TokenHouse) -> None:
    """As ever: refused, never dropped."""

    async def story() -> None:
        assert error(await house.for_frank(subject_token=house.human(act={"sub": "orchestrator"}))) == "invalid_request"

    run(story)


def test_an_endorsed_chain_goes_on_one_hop_longer(house: TokenHouse) -> None:
    """Every party in its order, endorsed, and still in the token that comes out; each of them can be ended."""

    async def story() -> None:
        endorsing(house, ISSUER)
        act = {"iss": ISSUER, "sub": "outer", "act": {"sub": "inner"}}
        body = good(await house.for_frank(subject_token=house.human(act=act)))
        said = house.read(body["access_token"])
        assert [said["sub"], said["act"]["sub"], said["act"]["act"]["sub"], said["act"]["act"]["act"]["sub"]] == [
            "frank", "support-bot", "outer", "inner",
        ]  # fmt: skip
        assert said["act"]["act"]["iss"] == ISSUER
        assert "chain_complete" not in body
        identity = await proven(house, body["access_token"])
        assert (identity.chain.complete, [hop.level for hop in identity.chain.hops]) == (True, ["endorsed"] * 3)
        await house.revocations.revoke(f"principal:{ISSUER}|inner", "x", "x", house.now)
        with pytest.raises(Exception, match="identity_revoked"):
            await proven(house, body["access_token"])
        assert error(await house.for_frank(subject_token=house.human(act=act))) == "invalid_grant"

    run(story)


@pytest.mark.parametrize(
    ("act", "root", "hops"),
    [
        ({"iss": "https://other.example", "sub": "outer"}, "support-bot", 0),
        ({"iss": ISSUER, "sub": "outer", "act": {"iss": "https://other.example", "sub": "x"}}, f"{ISSUER}|outer", 1),
        ({"iss": "https://other.example", "sub": "x", "act": {"iss": ISSUER, "sub": "inner"}}, "support-bot", 0),
    ],
)
def test_an_asserted_hop_decides_nothing(house: TokenHouse, act: dict[str, Any], root: str, hops: int) -> None:
    """The chain is written down whole; policy sees what follows the last asserted hop, and that more is missing."""

    async def story() -> None:
        endorsing(house, ISSUER)
        body = good(await house.for_frank(subject_token=house.human(act=act)))
        identity = await proven(house, body["access_token"])
        assert (identity.chain.complete, identity.chain.root.id, len(identity.chain.hops)) == (False, root, hops)
        assert "frank" not in [one.id for one in identity.chain.members]
        assert identity.proven.on_behalf_of is None
        assert body["chain_complete"] is False
        told = good(await house.ask("introspect", token=body["access_token"]))
        assert told["chain_complete"] is False
        [created] = [one for one in house.log.records if one["type"] == "task.created"]
        assert "human:frank" in str(created["change"]["details"])
        assert "https://other.example|" in str(created["change"]["details"])

    run(story)


@pytest.mark.parametrize(
    "act",
    [
        "bot", 7, [], {}, {"sub": ""}, {"sub": "a\u0000b"}, {"sub": "x", "act": "y"}, {"sub": "x", "act": {"sub": 7}},
        {"sub": "x", "act": {"sub": "x"}}, {"iss": ISSUER, "sub": BOT},
    ],
)  # fmt: skip
def test_garbage_in_a_chain_is_refused(house: TokenHouse, act: Any) -> None:
    """At every level; a party twice in a row, and the actor itself as its own delegator, too."""

    async def story() -> None:
        endorsing(house, ISSUER)
        answer = await house.for_frank(subject_token=house.human(act=act))
        if answer.status_code == 200:  # the same party twice in a row collapses: a chain no longer than without it
            task = await house.tasks.find(house.read(answer.json()["access_token"])["task"])
            assert task is not None
            assert len({one.id for one in task.delegation.members}) == len(task.delegation.members)
            return
        assert error(answer) == "invalid_request"
        assert await house.tasks.list() == []

    run(story)


def test_an_agent_of_ours_that_is_disabled_ends_an_endorsed_chain(house: TokenHouse) -> None:
    """Known by its identity, judged as everywhere."""

    async def story() -> None:
        endorsing(house, ISSUER)
        builder = house.facts.agents["builder"].model_copy(
            update={"identities": house.facts.agents["support-bot"].identities, "enabled": False}
        )
        bot = house.facts.agents["support-bot"].model_copy(update={"identities": ()})
        house.facts = house.facts.model_copy(
            update={"agents": {**house.facts.agents, "builder": builder, "support-bot": bot}}
        )
        answer = await house.exchange(
            subject_token=house.human(act={"sub": BOT}), authorization_details=details(), **ITSELF
        )
        assert error(answer) == "invalid_grant"

    run(story)


# --- the agent behind a service -------------------------------------------------------------------------------


async def behind(house: TokenHouse, token: str, agent: str = "builder", **form: Any) -> httpx.Response:
    """This agent goes on with what the call told its service."""
    asked = {
        "subject_token": token,
        "subject_token_type": TXN_TOKEN,
        "actor_token": agent,
        "actor_token_type": CLIENT,
        "authorization_details": details(ttl_seconds=120),
    }
    return await house.exchange(agent, **(asked | form))


def test_the_agent_behind_a_service_goes_on_with_the_call(house: TokenHouse) -> None:
    """A child of the call's task, one verified hop longer, no wider; the token ends with the one that was shown."""

    async def story() -> None:
        above = house.read(good(await house.for_frank())["access_token"])["task"]
        body = good(await behind(house, house.told(above)))
        said = house.read(body["access_token"])
        assert (said["sub"], said["act"]["sub"], said["act"]["act"]["sub"]) == ("frank", "builder", "support-bot")
        assert body["expires_in"] == 60
        task = await house.tasks.find(said["task"])
        assert task is not None
        assert (task.parent, task.deadline) == (above, NOW + 120)
        last = task.delegation.links[-1]
        assert (last.proof.method, last.proof.level) == ("txn_token", "verified")
        assert error(await behind(house, house.told(above), authorization_details=details(actions=["crm/*"]))) == (
            "invalid_scope"
        )

    run(story)


def test_what_a_call_told_counts_once(house: TokenHouse) -> None:
    """Also for many at the same moment; what was asked for wrongly, or by another agent, used nothing up."""

    async def story() -> None:
        above = house.read(good(await house.for_frank())["access_token"])["task"]
        token = house.told(above)
        assert error(await behind(house, token, "support-bot")) == "unauthorized_client"
        for wrong in ({"actions": ["crm/*"]}, {"ttl_seconds": 0}, {"budget": {"calls": -1}}):
            assert error(await behind(house, token, authorization_details=details(**wrong))).startswith("invalid_")
        answers = await asyncio.gather(*(behind(house, token) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
        assert error(await behind(house, token)) == "invalid_grant"

    run(story)


def planning(house: TokenHouse, **onward: tuple[str, ...]) -> None:
    """The planner goes on to these tools, by the tool of its own that was called."""
    told = {name.replace("any", "*"): tools for name, tools in onward.items()}
    planner = house.facts.services["planner"].model_copy(update={"onward": told})
    house.facts = house.facts.model_copy(update={"services": {**house.facts.services, "planner": planner}})


@pytest.mark.parametrize(
    ("onward", "asked", "code"),
    [
        ({}, ["payments/refund"], "invalid_scope"),
        ({"any": ()}, ["payments/refund"], "invalid_scope"),
        ({"any": ("payments/find",)}, ["payments/refund"], "invalid_scope"),
        ({"any": ("payments/refund",)}, ["payments/refund", "payments/find"], "invalid_scope"),
        ({"any": ("payments/refund",)}, ["payments/*"], "invalid_scope"),
        ({"any": ("payments/*",), "plan": ()}, ["payments/refund"], "invalid_scope"),
        ({"any": (), "plan": ("payments/*",)}, ["payments/refund"], ""),
        ({"other": ("payments/*",)}, ["payments/refund"], "invalid_scope"),
        ({"any": ("payments/*", "crm/*")}, ["crm/find"], "invalid_scope"),
        ({"any": ("payments/*",)}, None, "invalid_authorization_details"),
    ],
)
def test_a_call_hands_on_what_its_service_goes_on_to(
    house: TokenHouse, onward: dict[str, tuple[str, ...]], asked: list[str] | None, code: str
) -> None:
    """Of the task of the call only that, as the inventory has it for the tool that was called; what nobody wrote, and
    what nobody asked for, is not handed on. What the task itself has not, is not either."""

    async def story() -> None:
        first = good(await house.for_frank(authorization_details=details(actions=["payments/*"])))
        planning(house, **onward)
        told = house.told(house.read(first["access_token"])["task"])
        answer = await behind(house, told, authorization_details=details(actions=asked) if asked else "")
        assert (error(answer) if code else house.read(good(answer)["access_token"])["scope"]) == (code or asked[0])  # type: ignore[index]  # then there is one

    run(story)


def test_a_tool_of_another_service_was_not_called_there(house: TokenHouse) -> None:
    """A token that contradicts itself hands nothing on, even if our own key signed it."""

    async def story() -> None:
        above = house.read(good(await house.for_frank())["access_token"])["task"]
        assert error(await behind(house, house.told(above, tctx={"tool": "crm/plan"}))) == "invalid_scope"

    run(story)


def test_what_a_call_began_is_over_after_a_quarter_of_an_hour(house: TokenHouse) -> None:
    """However long the task of the call goes on: the agent behind the service cannot renew it beyond that."""

    async def story() -> None:
        asked = details(ttl_seconds=3000, actions=["payments/*"])
        long = house.human(exp=int(NOW) + 3500)
        first = good(await house.for_frank(subject_token=long, authorization_details=asked, **ITSELF))
        above = house.read(first["access_token"])["task"]
        body = good(await behind(house, house.told(above), authorization_details=details(ttl_seconds=3600)))
        task = house.read(body["access_token"])["task"]
        again = {
            "grant_type": "client_credentials",
            "authorization_details": details(actions=None, purpose=None, task_id=task),
        }
        house.now += 800
        assert good(await house.ask(agent="builder", **again))["expires_in"] <= 100
        house.now += 101
        assert error(await house.ask(agent="builder", **again)) == "invalid_grant"

    run(story)


@pytest.mark.parametrize("kind", [ACCESS_TOKEN, JWT])
def test_it_is_issued_as_the_type_that_was_asked_for(house: TokenHouse, kind: str) -> None:
    """It is an access token and a JWT (RFC 8693 section 3), and shown as `Bearer` either way."""

    async def story() -> None:
        body = good(await house.for_frank(requested_token_type=kind))
        assert (body["issued_token_type"], body["token_type"]) == (kind, "Bearer")
        assert house.read(body["access_token"])["sub"] == "frank"

    run(story)


@pytest.mark.parametrize("kind", [TXN_TOKEN, HANDLE, CLIENT, "jwt", "urn:ietf:params:oauth:token-type:id_token"])
def test_no_other_type_is_issued(house: TokenHouse, kind: str) -> None:
    """A transaction token is of one call that was decided: there is none to give out before it. Nothing begins."""

    async def story() -> None:
        assert error(await house.for_frank(requested_token_type=kind)) == "invalid_request"
        assert await house.tasks.list() == []

    run(story)


def test_each_call_is_gone_on_with_once(house: TokenHouse) -> None:
    """The same token again is a replay."""

    async def story() -> None:
        above = house.read(good(await house.for_frank())["access_token"])["task"]
        token = house.told(above)
        good(await behind(house, token))
        assert error(await behind(house, token)) == "invalid_grant"
        good(await behind(house, house.told(above)))

    run(story)


def test_it_says_who_acts_and_acts_for_itself_alone(house: TokenHouse) -> None:
    """The client is never supposed to be the actor, nor may it ask for another one."""

    async def story() -> None:
        above = house.read(good(await house.for_frank())["access_token"])["task"]
        none = {"actor_token": "", "actor_token_type": ""}
        assert error(await behind(house, house.told(above), **none)) == "invalid_request"
        other = {"actor_token": house.agents_own(), "actor_token_type": JWT}
        assert error(await behind(house, house.told(above), **other)) == "unauthorized_client"

    run(story)


async def proven(house: TokenHouse, token: str) -> Any:
    """Who that is on a call."""
    await house.revocation_feed.poll(house.now)
    shown = await house.resolver.prove(Evidence("", (("bearer", token),)), house.now, house.facts)
    identity = await house.oauth.living(shown)
    assert isinstance(identity.chain, Chain)
    return identity


# --- one agent, several whom it acts for ------------------------------------------------------------------------


def test_one_agent_for_several_never_mixes_their_authority(house: TokenHouse) -> None:
    """A broker for Frank and for the nightly process: two tasks, two tokens; what one may do, the other may not, and
    both on one connection are nobody."""

    async def story() -> None:
        for_frank = good(await house.for_frank(authorization_details=details(actions=["crm/*"])))["access_token"]
        for_nightly = good(await for_process(house))["access_token"]
        frank, nightly = await proven(house, for_frank), await proven(house, for_nightly)
        assert (frank.chain.root.id, nightly.chain.root.id) == ("frank", "nightly")
        assert frank.proven.task != nightly.proven.task
        shared = set(frank.proven.scopes) & set(nightly.proven.scopes)
        assert not [scope for scope in shared if scope.startswith(("task:", "process:", "principal:frank"))]
        both = Evidence("", (("bearer", for_frank), ("bearer", for_nightly)))
        with pytest.raises(Exception, match="identity_conflict"):
            await house.resolver.prove(both, house.now, house.facts)
        wide = details(actions=["payments/refund"])
        assert error(await house.exchange(subject_token=for_frank, authorization_details=wide)) == "invalid_scope"
        await house.revocations.revoke("process:nightly", "x", "x", house.now)
        assert (await proven(house, for_frank)).chain.root.id == "frank"
        with pytest.raises(Exception, match="identity_revoked"):
            await proven(house, for_nightly)

    run(story)


@settings(max_examples=6, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_random_row_of_exchanges_never_widens_anything(chance: Random) -> None:
    """Between random agents, for random parts: what comes out does no more and lives no longer than what went in."""
    tools = ["payments/refund", "payments/find", "crm/find", "payments/*", "crm/*"]

    async def story(house: TokenHouse) -> None:
        start = details(actions=["payments/*", "crm/find"], datatypes=["write:ledger"], budget={"calls": 7})
        token, holder = good(await house.for_frank(authorization_details=start))["access_token"], "support-bot"
        for _ in range(10):
            other = chance.choice(["support-bot", "builder"])
            asked = details(
                actions=chance.sample(tools, chance.randint(1, 2)),
                datatypes=chance.sample(["write:ledger", "read:ledger"], chance.randint(0, 1)),
                ttl_seconds=chance.randint(1, 2000),
                budget={"calls": chance.randint(0, 12)},
            )
            form = {"actor_token": await house.handle(other), "actor_token_type": HANDLE} if other != holder else {}
            answer = await house.exchange(holder, subject_token=token, authorization_details=asked, **form)
            if answer.status_code != 200:
                assert error(answer) in {"invalid_scope", "invalid_request", "invalid_authorization_details"}
                continue
            before, after = house.read(token), house.read(answer.json()["access_token"])
            had, has = before["authorization_details"][0], after["authorization_details"][0]
            assert all(
                tool in had["actions"] or f"{tool.partition('/')[0]}/*" in had["actions"] for tool in has["actions"]
            )
            assert set(has["datatypes"]) <= set(had["datatypes"])
            assert has["budget"]["calls"] <= had["budget"]["calls"]
            assert after["exp"] <= before["exp"]
            assert has["deadline"] <= had["deadline"]
            assert (after["sub"], after["act"] == before["act"] or after["act"]["act"] == before["act"]) == (
                "frank", True,
            )  # fmt: skip
            token, holder = answer.json()["access_token"], other

    with TemporaryDirectory() as folder, closing(TokenHouse(Path(folder))) as house:
        asyncio.run(story(house))
