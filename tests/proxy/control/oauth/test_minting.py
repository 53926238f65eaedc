"""Task tokens: made, asked about, and ended."""

import asyncio
from typing import Any

import pytest

from proxy.control.oauth.parties import HANDLE
from proxy.facts import Attestation, OwnershipRules, Tool
from proxy.stages import Evidence
from proxy.tasks.interfaces import Revocation
from tests.fakes.issuer import sign
from tests.fakes.token_house import FRANK, OURS, TokenHouse, details, error, good

DEAD = {"active": False}


PART = details(ttl_seconds=60)


def too_much(house: TokenHouse) -> str:
    """A task of so many tools, which there are, that no header would hold its token."""
    tools = tuple(Tool(name=f"{'x' * 200}{n}") for n in range(60))
    payments = house.facts.services["payments"].model_copy(update={"tools": tools})
    house.facts = house.facts.model_copy(update={"services": {**house.facts.services, "payments": payments}})
    return details(actions=[f"payments/{tool.name}" for tool in tools])


async def introspected(house: TokenHouse, token: str, agent: str = "support-bot") -> dict[str, object]:
    return good(await house.ask("introspect", agent, token=token))


def test_the_holder_learns_what_its_token_is(house: TokenHouse) -> None:
    """All that it says; others, and for anything else, learn that it is not active and nothing more."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        told = await introspected(house, token)
        assert (told["active"], told["sub"], told["scope"], told["iss"]) == (
            True, "support-bot", "payments/refund", OURS,
        )  # fmt: skip
        assert "via" not in told
        assert await introspected(house, token, "builder") == DEAD
        for other in ("nonsense", token[:-4] + "AAAA", house.human(), await house.handle()):
            assert await introspected(house, other) == DEAD

    asyncio.run(story())


@pytest.mark.parametrize("end", ["token", "task", "suspended", "agent", "time"])
def test_what_has_ended_is_not_active(house: TokenHouse, end: str) -> None:
    """At once, whatever ended it."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        task = str(house.read(token)["task"])
        house.now += 1
        match end:
            case "token":
                assert (await house.ask("revoke", token=token)).status_code == 200
                assert house.log.types()[-1] == "token.revoked"
            case "task":
                await house.tasks.end(task, "completed", by="x", reason="x", now=house.now)
            case "suspended":
                await house.tasks.suspend(task, by="x", reason="x", now=house.now)
            case "agent":
                await house.revocations.revoke("agent:support-bot", "x", "x", house.now)
                assert error(await house.ask("introspect", token=token)) == "invalid_client"
                await house.revocations.revoke("agent:support-bot", "x", "x", house.now)
                return
            case _:
                house.now += 900
        assert await introspected(house, token) == DEAD

    asyncio.run(story())


def test_revoking_what_is_not_there_is_no_mistake_and_what_is_anothers_is(house: TokenHouse) -> None:
    """RFC 7009: 200 for unknown tokens; a token of another agent stays alive. Who handed it on may end it too."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        assert (await house.ask("revoke", token="nonsense")).status_code == 200
        assert error(await house.ask("revoke", "builder", token=token)) == "unauthorized_client"
        assert error(await house.ask("revoke")) == "invalid_request"
        assert (await introspected(house, token))["active"] is True
        form = {"actor_token": await house.handle("builder"), "actor_token_type": HANDLE}
        asked = details(ttl_seconds=60)
        there = good(await house.exchange(subject_token=token, authorization_details=asked, **form))["access_token"]
        assert (await house.ask("revoke", token=there)).status_code == 200
        assert await introspected(house, there, "builder") == DEAD

    asyncio.run(story())


def test_giving_back_what_has_ended_already_writes_nothing(house: TokenHouse) -> None:
    """Nothing bounds how often this is asked: else one agent with one token could fill the log."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        house.now += 1
        assert (await house.ask("revoke", token=token)).status_code == 200
        told, known = len(house.log.records), house.revocations.in_force()
        for _ in range(3):
            house.now += 1
            assert (await house.ask("revoke", token=token)).status_code == 200
        assert (len(house.log.records), house.revocations.in_force()) == (told, known)

    asyncio.run(story())


async def lives(house: TokenHouse, token: str, agent: str) -> bool:
    """Whether a call with this token would still be somebody's."""
    return (await introspected(house, token, agent))["active"] is True


def test_what_was_exchanged_ends_with_the_token_that_was_shown(house: TokenHouse) -> None:
    """One exchange further and two: the token, the next one, and the task that began with it, whatever it shows anew.
    The token that it came from, and another one of the same task, live on."""

    async def story() -> None:
        first = good(await house.for_frank())["access_token"]
        form = {"actor_token": await house.handle("builder"), "actor_token_type": HANDLE}
        asked = details(ttl_seconds=300)
        second = good(await house.exchange(subject_token=first, authorization_details=asked, **form))["access_token"]
        third = good(await house.exchange("builder", subject_token=second))["access_token"]
        task = str(house.read(second)["task"])
        again = {
            "grant_type": "client_credentials",
            "authorization_details": details(actions=None, purpose=None, task_id=task),
        }
        renewed = good(await house.ask(agent="builder", **again))["access_token"]
        for token, agent in ((first, "support-bot"), (second, "builder"), (third, "builder"), (renewed, "builder")):
            assert await lives(house, token, agent)
        await house.ask("revoke", "builder", token=second)
        assert [await lives(house, one, "builder") for one in (second, third, renewed)] == [False, False, True]
        assert await lives(house, first, "support-bot")
        house.now += 1
        await house.ask("revoke", token=first)
        assert not await lives(house, renewed, "builder")
        assert error(await house.ask(agent="builder", **again)) == "invalid_grant"
        assert error(await house.exchange("builder", subject_token=renewed)) == "invalid_grant"

    asyncio.run(story())


@pytest.mark.parametrize("scope", ["token:https://idp.example|j-1", "principal:https://idp.example|frank@idp"])
def test_a_task_in_somebodys_name_ends_with_the_token_that_stood_for_them(house: TokenHouse, scope: str) -> None:
    """The agent has a key of its own, and can show itself anew: it cannot renew what that token began."""

    async def story() -> None:
        token = good(await house.for_frank())["access_token"]
        task = str(house.read(token)["task"])
        again = {
            "grant_type": "client_credentials",
            "authorization_details": details(actions=None, purpose=None, task_id=task),
        }
        good(await house.ask(**again))
        await house.revocations.revoke(scope, "x", "x", house.now)
        assert not await lives(house, token, "support-bot")
        house.now += 1
        assert error(await house.ask(**again)) == "invalid_grant"

    asyncio.run(story())


def test_what_is_ended_while_a_token_is_made_leaves_none(house: TokenHouse) -> None:
    """The end comes after everything was judged, and before the token is given away."""

    async def story() -> None:
        handle = await house.handle()
        row = await house.handles.find(handle, house.now)
        assert row is not None
        append = house.oauth.record

        async def late(entry: Any) -> int:
            if entry["type"] == "token.issued":
                await house.revocations.revoke(f"handle:{row.id}", "x", "x", house.now - 5)
            return await append(entry)

        house.serve_tokens(record=late)
        form = {"actor_token": handle, "actor_token_type": HANDLE}
        assert error(await house.for_frank(**form)) == "invalid_grant"

    asyncio.run(story())


def test_an_end_of_which_no_word_has_come_yet_leaves_none(house: TokenHouse) -> None:
    """Another process ended the account a moment ago. The task began after that, and would be taken for a later one."""

    async def story() -> None:
        append = house.oauth.record

        async def elsewhere(entry: Any) -> int:
            if entry["type"] == "token.issued":
                scope = f"principal:https://idp.example|{FRANK}"
                await house.store.put_revocation(Revocation(scope, house.now, "x", "x"))
            return await append(entry)

        house.serve_tokens(record=elsewhere)
        assert error(await house.for_frank()) == "invalid_grant"

    asyncio.run(story())


def test_the_record_of_a_token_says_what_it_hangs_on(house: TokenHouse) -> None:
    """The ids of what was shown, so that the SOC sees what came of what; no name of an account."""

    async def story() -> None:
        first = good(await house.for_frank())["access_token"]
        good(await house.exchange(subject_token=first))
        *_, last = [one for one in house.log.records if one["type"] == "token.issued"]
        (via,) = [one for one in last["change"]["details"] if one.startswith("via=")]
        assert f"token:{OURS}|{house.read(first)['jti']}" in via
        assert "token:https://idp.example|j-1" in via
        assert "@" not in via

    asyncio.run(story())


def test_what_cannot_be_written_down_is_not_issued_nor_revoked(house: TokenHouse) -> None:
    """With a broken log there is no token, and none ends unseen."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        house.log.broken = True
        form = {"grant_type": "client_credentials", "authorization_details": details()}
        assert error(await house.ask(**form)) == "temporarily_unavailable"
        assert error(await house.ask("revoke", token=token)) == "temporarily_unavailable"
        house.log.broken = False
        assert (await introspected(house, token))["active"] is True

    asyncio.run(story())


def test_a_token_that_nobody_could_present_is_not_issued(house: TokenHouse) -> None:
    """What is declared must fit into a header."""

    async def story() -> None:
        answer = await house.ask(grant_type="client_credentials", authorization_details=too_much(house))
        assert error(answer) == "invalid_authorization_details"
        assert "too much for one token" in answer.json()["error_description"]

    asyncio.run(story())


@pytest.mark.parametrize("why", ["too much", "suspended above", "ended meanwhile"])
def test_a_task_for_which_no_token_could_be_made_has_failed(house: TokenHouse, why: str) -> None:
    """It is not left live, with nobody who has anything of it; a task that was there before goes on."""

    async def story() -> None:
        first = await house.own()
        above = house.read(first["access_token"])["task"]
        token = good(await house.exchange(subject_token=first["access_token"], authorization_details=PART))
        before = {one.id for one in await house.tasks.list(live=True)}
        asked = {"subject_token": token["access_token"], "authorization_details": PART}
        match why:
            case "too much":
                first = await house.own(actions=["payments/*"])
                before.add(house.read(first["access_token"])["task"])
                asked = {"subject_token": first["access_token"], "authorization_details": too_much(house)}
            case "suspended above":
                await house.tasks.suspend(above, by="x", reason="x", now=house.now)
            case _:
                append = house.oauth.record

                async def late(entry: Any) -> int:
                    if entry["type"] == "token.issued":
                        await house.revocations.revoke(f"task:{entry['task']}", "x", "x", house.now)
                    return await append(entry)

                house.serve_tokens(record=late)
        assert error(await house.exchange(**asked)) in {"invalid_grant", "invalid_authorization_details"}
        assert {one.id for one in await house.tasks.list(live=True)} == before
        (failed,) = [one for one in await house.tasks.list() if one.state == "failed"]
        assert (failed.changed_by, failed.reason.partition(":")[0]) == ("agent:support-bot", "no token was made")

    asyncio.run(story())


def test_a_token_that_cannot_be_made_ends_no_task_that_was_there(house: TokenHouse) -> None:
    """Another token for the same task is refused, and the task goes on."""

    async def story() -> None:
        task = house.read((await house.own())["access_token"])["task"]
        await house.tasks.suspend(task, by="x", reason="x", now=house.now)
        asked = details(actions=None, purpose=None, task_id=task)
        form = {"grant_type": "client_credentials", "authorization_details": asked}
        assert error(await house.ask(**form)) == "invalid_grant"
        assert [one.state for one in await house.tasks.list()] == ["suspended"]

    asyncio.run(story())


def test_only_our_own_key_makes_tokens(house: TokenHouse) -> None:
    """The same claims under the issuer's key, or an agent's, are nothing; and the key set has no private part."""

    async def story() -> None:
        said = house.read((await house.own())["access_token"])
        ours = house.signer.jwks(house.now)["keys"]
        assert isinstance(ours, list)
        assert all(isinstance(key, dict) and "d" not in key for key in ours)
        for name in ("k1", "bot"):
            head = {"alg": "ES256", "typ": "at+jwt", "kid": house.signer.key_id}
            forged = sign(said, head, name=name)
            with pytest.raises(Exception, match="identity_invalid"):
                await house.resolver.prove(Evidence("", (("bearer", forged),)), house.now, house.facts)

    asyncio.run(story())


def test_a_privileged_agents_token_is_short(house: TokenHouse) -> None:
    """Five minutes, not fifteen; and a task that it begins here is bounded too."""

    async def story() -> None:
        usual = await house.own()
        bot = house.facts.agents["support-bot"].model_copy(update={"agent_class": "privileged"})
        said = Attestation(
            id="a1", what="agent:support-bot", owner="alice", agent_class="privileged", digest="sha256:1",
            person="alice", at=house.now,
        )  # fmt: skip
        house.facts = house.facts.model_copy(
            update={
                "agents": {**house.facts.agents, "support-bot": bot},
                "attestations": {"agent:support-bot": said},
                "rules": OwnershipRules(privileged_task_seconds=1200),
            }
        )
        short = await house.own()
        assert (usual["expires_in"], short["expires_in"]) == (900, 300)
        task = await house.tasks.find(str(house.read(short["access_token"])["task"]))
        assert task is not None
        assert task.deadline <= house.now + 1200

    asyncio.run(story())


def test_no_token_is_minted_under_a_task_that_is_too_old_for_a_privileged_agent(house: TokenHouse) -> None:
    """The task began while the agent was a utility: its tokens end with what is left to it now; then there are none."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        task = str(house.read(token)["task"])
        again = {
            "grant_type": "client_credentials",
            "authorization_details": details(actions=None, purpose=None, task_id=task),
        }
        bot = house.facts.agents["support-bot"].model_copy(update={"agent_class": "privileged"})
        said = Attestation(
            id="a1", what="agent:support-bot", owner="alice", agent_class="privileged", digest="sha256:1",
            person="alice", at=house.now,
        )  # fmt: skip
        house.now += 50
        house.facts = house.facts.model_copy(
            update={
                "agents": {**house.facts.agents, "support-bot": bot},
                "attestations": {"agent:support-bot": said},
                "rules": OwnershipRules(privileged_task_seconds=60),
            }
        )
        assert good(await house.ask(**again))["expires_in"] <= 10
        assert (await introspected(house, token))["active"] is True
        house.now += 10
        assert error(await house.ask(**again)) == "invalid_grant"
        assert error(await house.exchange(subject_token=token)) == "invalid_grant"
        assert await introspected(house, token) == DEAD

    asyncio.run(story())


def test_what_a_privileged_agent_shows_ends_sooner_and_so_does_what_it_gets_for_it(house: TokenHouse) -> None:
    """A handle of before the agent became privileged is cut short; its last token does not outlive it."""

    async def story() -> None:
        handle = await house.handle()
        house.now += 100
        bot = house.facts.agents["support-bot"].model_copy(update={"agent_class": "privileged"})
        said = Attestation(
            id="a1", what="agent:support-bot", owner="alice", agent_class="privileged", digest="sha256:1",
            person="alice", at=house.now,
        )  # fmt: skip
        agents = {**house.facts.agents, "support-bot": bot}
        rules = OwnershipRules(privileged_handle_seconds=120)
        house.facts = house.facts.model_copy(
            update={"agents": agents, "attestations": {"agent:support-bot": said}, "rules": rules}
        )
        await house.revocation_feed.poll(house.now)
        shown = {"actor_token": handle, "actor_token_type": HANDLE, "subject_token": house.human()}
        assert good(await house.for_frank(**shown))["expires_in"] <= 20
        form = {"grant_type": "client_credentials", "authorization_details": details()}
        async with house.client() as client:
            headers = {"authorization": f"Bearer {handle}"}
            answer = await client.post("/oauth2/token", data=form, headers=headers)
        assert good(answer)["expires_in"] <= 20

    asyncio.run(story())
