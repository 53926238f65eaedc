"""Which task a token is for. Each mistake that implementers of RFC 8693 are known for has its test here."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.control.oauth.beginning import ACCESS_TOKEN
from proxy.control.oauth.grants import EXCHANGE
from proxy.control.oauth.parties import HANDLE
from proxy.stages import Evidence
from tests.fakes.issuer import NOW
from tests.fakes.token_house import FRANK, OURS, PROXY, TokenHouse, details, error, good

PART = {"actions": ["payments/refund"], "ttl_seconds": 300}


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """One story."""

    async def main() -> None:
        await scenario()

    asyncio.run(main())


# --- an agent for itself ------------------------------------------------------------------------------


def test_an_agent_gets_a_token_for_itself(house: TokenHouse) -> None:
    """Its own subject, no actor, a new task for what it asked for, at most fifteen minutes, no refresh token."""

    async def story() -> None:
        body = await house.own(datatypes=["write:ledger"], budget={"calls": 3})
        said = house.read(body["access_token"])
        assert (said["iss"], said["aud"], said["sub"], said["client_id"]) == (OURS, PROXY, "support-bot", "support-bot")
        assert "act" not in said
        assert (body["token_type"], body["issued_token_type"], body["expires_in"]) == ("Bearer", ACCESS_TOKEN, 900)
        assert body["scope"] == "payments/refund"
        [granted] = body["authorization_details"]
        assert (granted["task_id"], granted["actions"]) == (said["task"], ["payments/refund"])
        task = await house.tasks.find(said["task"])
        assert task is not None
        assert (task.state, task.datasets, task.budget.calls) == ("active", ("write:ledger",), 3)
        assert house.log.types()[-2:] == ["task.created", "token.issued"]
        assert body["access_token"] not in repr(house.log.records)

    run(story)


def test_the_token_is_evidence_for_its_task_and_no_other(house: TokenHouse) -> None:
    """The resolver takes it as its agent's, under its task; with a handle of another task it conflicts."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        proven = await house.resolver.prove(Evidence("", (("bearer", token),)), house.now, house.facts)
        said = house.read(token)
        assert (proven.agent, proven.method, proven.task) == ("support-bot", "task_token", said["task"])
        assert {f"token:{OURS}|{said['jti']}", f"task:{said['task']}"} <= set(proven.scopes)
        both = Evidence("", (("bearer", token), ("basic", await house.handle())))
        with pytest.raises(Exception, match="identity_conflict"):
            await house.resolver.prove(both, house.now, house.facts)

    run(story)


def test_scope_names_tools(house: TokenHouse) -> None:
    """The purpose is then what the agent is for."""

    async def story() -> None:
        body = good(await house.ask(grant_type="client_credentials", scope="payments/refund crm/*"))
        assert body["scope"] == "crm/* payments/refund"

    run(story)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_authorization_details"),
        ({"grant_type": "client_credentials", "scope": "everything"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "nowhere/x"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "crm/*", "authorization_details": "[]"}, "invalid_request"),
        ({"grant_type": "client_credentials", "authorization_details": details(task_id="task_x", actions=None,
          purpose=None)}, "invalid_authorization_details"),
        ({"grant_type": "client_credentials", "scope": "crm/*", "subject_token": "x"}, "invalid_request"),
        ({"grant_type": "client_credentials", "scope": "crm/*", "audience": "https://other"}, "invalid_target"),
        ({"grant_type": "client_credentials", "scope": "crm/*", "resource": "https://other.example"}, "invalid_target"),
        ({"grant_type": "client_credentials", "scope": "crm/* payments/refund",
          "resource": "https://crm.example/api"}, "invalid_target"),
        ({"grant_type": "client_credentials", "authorization_details": details(ttl_seconds=0)},
         "invalid_authorization_details"),
        ({"grant_type": "client_credentials", "authorization_details": details(ttl_seconds=10**7)}, ""),
    ],
)  # fmt: skip
def test_what_may_not_be_asked_for(house: TokenHouse, form: dict[str, Any], code: str) -> None:
    """Unknown grants, unknown things, other audiences and resources: each with its code, and no task is left behind."""

    async def story() -> None:
        answer = await house.ask(**form)
        if not code:  # more time than there is: what there is
            assert good(answer)["expires_in"] == 900
            return
        assert error(answer) == code
        assert await house.tasks.list() == []
        assert house.log.types() == ["token.refused"]

    run(story)


def test_a_resource_that_is_all_that_the_task_reaches_is_named(house: TokenHouse) -> None:
    """Then the target is right."""

    async def story() -> None:
        form = {"scope": "crm/*", "resource": "https://crm.example/api", "audience": PROXY}
        assert good(await house.ask(grant_type="client_credentials", **form))["scope"] == "crm/*"

    run(story)


# --- handles as clients --------------------------------------------------------------------------------


async def with_handle(house: TokenHouse, handle: str, **form: Any) -> Any:
    await house.revocation_feed.poll(house.now)
    async with house.client(authorization=f"Bearer {handle}") as client:
        return await client.post("/oauth2/token", data={"grant_type": "client_credentials"} | form)


def test_a_handle_of_a_task_gives_no_more_than_the_task(house: TokenHouse) -> None:
    """Its own task without asking, a part of it as a child; never more, and never another task of the agent."""

    async def story() -> None:
        other = (await house.own(actions=["crm/*"]))["authorization_details"][0]["task_id"]
        mine = (await house.own())["authorization_details"][0]["task_id"]
        handle = await house.handle(task=mine, ttl=120.0)
        body = good(await with_handle(house, handle))
        said = house.read(body["access_token"])
        assert (said["task"], body["expires_in"]) == (mine, 120)
        assert any(one.startswith("handle:") for one in said["via"])
        child = good(await with_handle(house, handle, authorization_details=details(**PART)))
        made = await house.tasks.find(house.read(child["access_token"])["task"])
        assert made is not None
        assert (made.parent, made.deadline) == (mine, house.now + 120)
        assert error(await with_handle(house, handle, scope="crm/*")) == "invalid_scope"
        wanted = details(task_id=other, actions=None, purpose=None)
        assert error(await with_handle(house, handle, authorization_details=wanted)) == "invalid_authorization_details"

    run(story)


def test_a_handle_for_a_person_stays_for_that_person(house: TokenHouse) -> None:
    """A new task under it has the person at its root, endorsed; and a label of the operator's gives no other task."""

    async def story() -> None:
        handle = await house.handle(on_behalf_of="frank", task="nightly")
        said = house.read(good(await with_handle(house, handle, scope="payments/refund"))["access_token"])
        assert (said["sub"], said["act"]["sub"]) == ("frank", "support-bot")
        task = await house.tasks.find(said["task"])
        assert task is not None
        assert [link.proof.level for link in task.delegation.links] == ["endorsed"]
        plain = await house.handle(task="weekly")
        wanted = details(task_id=task.id, actions=None, purpose=None)
        assert error(await with_handle(house, plain, authorization_details=wanted)) == "invalid_authorization_details"

    run(story)


# --- on behalf of a person -------------------------------------------------------------------------------


def test_a_person_and_an_agent_that_both_showed_themselves(house: TokenHouse) -> None:
    """The subject is the person, the actor the agent, the hop verified; the task ends with the person's token."""

    async def story() -> None:
        body = good(
            await house.for_frank(
                actor_token=house.agents_own(jti="bot-1"), authorization_details=details(ttl_seconds=3600)
            )
        )
        said = house.read(body["access_token"])
        assert (said["sub"], said["act"]) == ("frank", {"iss": OURS, "sub": "support-bot", "sub_profile": "ai_agent"})
        task = await house.tasks.find(said["task"])
        assert task is not None
        assert [(link.proof.method, link.proof.level) for link in task.delegation.links] == [
            ("access_token", "verified")
        ]
        assert task.deadline == NOW + 600
        assert {"token:https://idp.example|bot-1", "principal:frank"} <= set(said["via"])

    run(story)


def test_output_never_outlives_input(house: TokenHouse) -> None:
    """Not the subject's token, not the actor's, by not a second; no tolerance is passed on."""

    async def story() -> None:
        for subject, actor, least in ((100, 500, 100), (500, 70, 70)):
            body = good(
                await house.for_frank(
                    subject_token=house.human(exp=int(NOW) + subject, jti=f"h{least}"),
                    actor_token=house.agents_own(exp=int(NOW) + actor, jti=f"b{least}"),
                )
            )
            assert body["expires_in"] == least

    run(story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"aud": "https://someone.else"}, "invalid_grant"),
        ({"exp": int(NOW) - 60, "iat": int(NOW) - 600}, "invalid_grant"),
        ({"sub": "stranger@idp"}, "invalid_grant"),
        ({"scope": None}, "invalid_request"),
        ({"scope": ""}, "invalid_request"),
        ({"scope": "openid profile"}, "invalid_scope"),
        ({"scope": "payments/find"}, "invalid_scope"),
        ({"scope": "payments/refund"}, ""),
        ({"scope": "payments/*"}, ""),
        ({"act": {"sub": "bot@idp"}}, "invalid_request"),
        ({"act": "bot@idp"}, "invalid_request"),
        ({"act": None, "cnf": {"jkt": "x"}}, "invalid_request"),
        ({"may_act": {"iss": "https://idp.example", "sub": "bot@idp"}}, ""),
        ({"may_act": {"sub": "bot@idp"}}, "invalid_grant"),
        ({"may_act": {"iss": "https://idp.example", "sub": "other@idp"}}, "invalid_grant"),
        ({"may_act": "bot@idp"}, "invalid_request"),
        ({"may_act": []}, "invalid_request"),
    ],
)
def test_the_subjects_token_is_judged_by_what_it_says(house: TokenHouse, changes: dict[str, Any], code: str) -> None:
    """For us, in time, of a known person, with a scope that covers this, no chain of others, and `may_act` honoured."""

    async def story() -> None:
        answer = await house.for_frank(subject_token=house.human(**changes))
        if code:
            assert error(answer) == code
            assert await house.tasks.list() == []
        else:
            good(answer)

    run(story)


def test_a_scope_that_covers_a_part_gives_not_the_rest(house: TokenHouse) -> None:
    """Each tool that is asked for must be one that the person's token is good for."""

    async def story() -> None:
        asked = details(actions=["payments/refund", "crm/*"])
        answer = await house.for_frank(subject_token=house.human(scope="payments/refund"), authorization_details=asked)
        assert error(answer) == "invalid_scope"
        assert await house.tasks.list() == []

    run(story)


def test_a_null_may_act_lets_nobody_act(house: TokenHouse) -> None:
    """It is there, so it counts."""

    async def story() -> None:
        from tests.fakes.issuer import claims, header, sign

        said = claims(sub=FRANK, scope="countersign_task") | {"may_act": None}
        assert error(await house.for_frank(subject_token=sign(said, header()))) == "invalid_request"

    run(story)


def test_the_client_is_not_the_actor_because_it_asks(house: TokenHouse) -> None:
    """Without an actor token there is no token: it would stand for the person and nobody would act."""

    async def story() -> None:
        answer = await house.for_frank(actor_token="", actor_token_type="")
        assert error(answer) == "invalid_request"

    run(story)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"actor_token_type": ""}, "invalid_request"),
        ({"actor_token": "", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
        ({"actor_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"actor_token": "nonsense"}, "invalid_request"),
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token_type": ""}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"requested_token_type": ACCESS_TOKEN}, ""),
        ({"authorization_details": ""}, "invalid_authorization_details"),
        ({"agent": "builder"}, "unauthorized_client"),
    ],
)
def test_an_exchange_says_everything_and_says_it_right(house: TokenHouse, form: dict[str, Any], code: str) -> None:
    """Both tokens with their types, types that are taken, and a client that is the actor."""

    async def story() -> None:
        answer = await house.for_frank(**form)
        assert (error(answer) if code else good(answer) and "") == code

    run(story)


def test_whoever_was_ended_gets_nothing(house: TokenHouse) -> None:
    """The person, their account at the issuer, their token; inactive people too."""

    async def story() -> None:
        for scope in ("principal:frank", f"principal:https://idp.example|{FRANK}", "token:https://idp.example|j-1"):
            await house.revocations.revoke(scope, "test", "stop", house.now)
            assert error(await house.for_frank(subject_token=house.human(jti="j-1"))) == "invalid_grant"
            await house.revocations.lift(scope)
        good(await house.for_frank())
        frank = house.facts.people["frank"].model_copy(update={"active": False})
        house.facts = house.facts.model_copy(update={"people": {**house.facts.people, "frank": frank}})
        assert error(await house.for_frank()) == "invalid_grant"

    run(story)


# --- from agent to agent -------------------------------------------------------------------------------


async def handed_on(house: TokenHouse, token: str, agent: str = "builder", **form: Any) -> Any:
    """The client hands its task on to the builder, which shows a handle."""
    asked = {
        "subject_token": token,
        "actor_token": await house.handle("builder"),
        "actor_token_type": HANDLE,
        "authorization_details": details(**PART),
    }
    return await house.exchange(agent, **(asked | form))


@pytest.mark.parametrize("client", ["support-bot", "builder"])
def test_an_agent_hands_a_part_of_its_task_to_another(house: TokenHouse, client: str) -> None:
    """Whoever of the two asks: one verified hop more, and the token says who acts, who before, and for whom."""

    async def story() -> None:
        token = good(await house.for_frank())["access_token"]
        said = house.read(good(await handed_on(house, token, client))["access_token"])
        assert (said["sub"], said["act"]["sub"], said["act"]["act"]["sub"]) == ("frank", "builder", "support-bot")
        task = await house.tasks.find(said["task"])
        assert task is not None
        assert task.parent == house.read(token)["task"]
        assert [link.proof.level for link in task.delegation.links] == ["verified", "verified"]
        assert task.delegation.links[-1].proof.method == "opaque_handle"

    run(story)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"actions": ["payments/*"]}, "invalid_scope"),
        ({"actions": ["crm/*"]}, "invalid_scope"),
        ({"datatypes": ["write:ledger"]}, "invalid_scope"),
        ({"ttl_seconds": 10_000}, ""),
    ],
)
def test_nobody_hands_on_more_than_they_have(house: TokenHouse, changes: dict[str, Any], code: str) -> None:
    """Tools and datasets are refused; a longer life becomes the parent's."""

    async def story() -> None:
        token = good(await house.for_frank())["access_token"]
        answer = await handed_on(house, token, authorization_details=details(**(PART | changes)))
        if code:
            assert error(answer) == code
        else:
            assert good(answer)["authorization_details"][0]["deadline"] <= NOW + 600

    run(story)


def test_the_chain_is_never_dropped(house: TokenHouse) -> None:
    """A token with a chain, exchanged again without an actor, comes out with the same chain; by another client not."""

    async def story() -> None:
        token = good(await house.for_frank())["access_token"]
        again = house.read(good(await house.exchange(subject_token=token))["access_token"])
        before = house.read(token)
        assert (again["act"], again["sub"], again["task"]) == (before["act"], before["sub"], before["task"])
        narrower = await house.exchange(subject_token=token, authorization_details=details(**PART))
        assert house.read(good(narrower)["access_token"])["act"] == before["act"]
        assert error(await house.exchange("builder", subject_token=token)) == "unauthorized_client"

    run(story)


def test_an_actor_shows_a_direct_credential(house: TokenHouse) -> None:
    """A token that says somebody else stands behind it proves no actor; a token for itself does."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        chained = good(await handed_on(house, token))["access_token"]
        form = {"actor_token": chained, "actor_token_type": ACCESS_TOKEN}
        assert error(await handed_on(house, token, **form)) == "invalid_request"
        direct = (await house.own("builder"))["access_token"]
        good(await handed_on(house, token, actor_token=direct, actor_token_type=ACCESS_TOKEN))

    run(story)


def test_a_chain_does_not_come_back_to_itself(house: TokenHouse) -> None:
    """An agent that is in the chain already is not handed the task again."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        there = good(await handed_on(house, token))["access_token"]
        back = {"actor_token": await house.handle(), "actor_token_type": HANDLE, "subject_token": there}
        assert (
            error(await house.exchange("builder", authorization_details=details(**PART), **back)) == "invalid_request"
        )

    run(story)


def test_tasks_are_handed_on_at_most_eight_deep(house: TokenHouse) -> None:
    """The ninth is refused, never cut off."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        for _ in range(7):
            token = good(await house.exchange(subject_token=token, authorization_details=details(**PART)))[
                "access_token"
            ]
        answer = await house.exchange(subject_token=token, authorization_details=details(**PART))
        assert error(answer) == "invalid_request"

    run(story)


@pytest.mark.parametrize("end", ["task", "parent", "suspended", "agent", "token"])
def test_what_was_ended_is_exchanged_for_nothing(house: TokenHouse, end: str) -> None:
    """The task, the one above, the agent that handed on, or the token itself."""

    async def story() -> None:
        first = good(await house.for_frank())["access_token"]
        token = good(await handed_on(house, first))["access_token"]
        said, above = house.read(token), house.read(first)["task"]
        house.now += 1
        match end:
            case "task":
                await house.tasks.end(said["task"], "completed", by="x", reason="x", now=house.now)
            case "parent":
                await house.tasks.end(above, "completed", by="x", reason="x", now=house.now)
            case "suspended":
                await house.tasks.suspend(above, by="x", reason="x", now=house.now)
            case "agent":
                await house.revocations.revoke("agent:support-bot", "x", "x", house.now)
            case _:
                await house.revocations.revoke(f"token:{OURS}|{said['jti']}", "x", "x", house.now)
        assert error(await house.exchange("builder", subject_token=token)) == "invalid_grant"
        again = {"subject_token": token, "authorization_details": details(**PART)}
        assert error(await house.exchange("builder", **again)) == "invalid_grant"

    run(story)


def test_a_handle_that_is_revoked_takes_its_tokens_along(house: TokenHouse) -> None:
    """A token that was obtained with it, and the token of the agent that it showed as actor."""

    async def story() -> None:
        handle, row = await house.handles.issue(
            agent="support-bot", purpose="x", ttl=600.0, issued_by="x", now=house.now, task="nightly"
        )
        token = good(await with_handle(house, handle, scope="payments/refund"))["access_token"]
        form = {"subject_token": house.human(), "subject_token_type": ACCESS_TOKEN, "grant_type": EXCHANGE}
        form |= {"actor_token": house.agents_own(), "actor_token_type": ACCESS_TOKEN}
        franks = good(await with_handle(house, handle, authorization_details=details(), **form))["access_token"]
        house.now += 1
        await house.handles.revoke(row.id, by="x", reason="lost", now=house.now)
        for shown in (token, franks):
            assert error(await house.exchange(subject_token=shown)) == "invalid_grant"

    run(story)
