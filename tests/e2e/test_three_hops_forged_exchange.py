"""Forgeries at our token endpoint, each kind of token in the place of each other, and parties that are gone."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from tests.e2e.forging import Scene, by_hmac, by_mallory, by_us, changed, published_key, respelled, scene_of, spliced
from tests.e2e.three_hops import House, details, error, granted, house
from tests.fakes.accounts import claims_of
from tests.fakes.waiting import own_time, until

type Ask = Callable[[Scene], Awaitable[httpx.Response]]


def for_a_human(forge: Callable[[Scene], str]) -> Ask:
    """The orchestrator shows this as the human's token, and itself as it should."""

    async def ask(scene: Scene) -> httpx.Response:
        return await scene.it.exchange("orchestrator", await asyncio.to_thread(forge, scene), scene.own)

    return ask


def below(forge: Callable[[Scene], str]) -> Ask:
    """The sub-agent shows this as what was handed to it, and itself as it should."""

    async def ask(scene: Scene) -> httpx.Response:
        return await scene.it.exchange("researcher", forge(scene), await scene.it.own("researcher"))

    return ask


def by_actor(forge: Callable[[Scene], str]) -> Ask:
    """The sub-agent shows T1, and this for itself."""

    async def ask(scene: Scene) -> httpx.Response:
        return await scene.it.exchange("researcher", scene.first, forge(scene))

    return ask


def by_assertion(forge: Callable[[Scene], str]) -> Ask:
    """The client shows itself by this."""

    async def ask(scene: Scene) -> httpx.Response:
        form = {"grant_type": "client_credentials", "authorization_details": details()}
        return await scene.it.ask("researcher", client_assertion=forge(scene), **form)

    return ask


async def _replayed(scene: Scene) -> httpx.Response:
    """The same assertion for a second request."""
    once = scene.it.assertion("researcher")
    assert (await by_assertion(lambda _: once)(scene)).status_code == 200
    return await by_assertion(lambda _: once)(scene)


async def _stolen(scene: Scene) -> httpx.Response:
    """The sub-agent has got hold of the orchestrator's actor token, and of its task token."""
    return await scene.it.exchange("researcher", scene.first, scene.own)


async def _without_actor(scene: Scene) -> httpx.Response:
    """The chain would come out without its last hop."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": scene.first}
    kind = {"subject_token_type": "urn:ietf:params:oauth:token-type:access_token"}
    return await scene.it.ask("researcher", authorization_details=details(), **form, **kind)


AT_THE_ENDPOINT: dict[str, tuple[Ask, str]] = {
    # on whose behalf: the provider's token of a human
    "the human's: alg none": (for_a_human(lambda s: changed(s.human, head={"alg": "none"})), "invalid_request"),
    "the human's: HS256 with the provider's key": (
        for_a_human(lambda s: by_hmac(s.human, published_key(s.it.idp.jwks_url))), "invalid_request",
    ),
    "the human's: another's key": (for_a_human(lambda s: by_mallory(s.human, alg="RS256")), "invalid_request"),
    "the human's: a URL of keys": (
        for_a_human(lambda s: by_mallory(s.human, jku="https://evil.test/keys")), "invalid_request",
    ),
    "the human's: signed by us": (
        for_a_human(lambda s: by_us(s.signer, s.human, {"alg": "ES256", "kid": s.signer.key_id})), "invalid_request",
    ),
    "the human's: another sub": (for_a_human(lambda s: changed(s.human, sub="bob")), "invalid_request"),
    "the human's: a wider scope": (for_a_human(lambda s: changed(s.human, scope="crm/*")), "invalid_request"),
    "the human's: longer": (
        for_a_human(lambda s: changed(s.human, exp=int(time.time()) + 1800)), "invalid_request",
    ),
    "the human's: with an actor": (for_a_human(lambda s: changed(s.human, act={"sub": "x"})), "invalid_request"),
    "the human's: another spelling": (for_a_human(lambda s: respelled(s.human)), "invalid_request"),
    "the human's: for somebody else": (
        for_a_human(lambda s: s.it.idp.login("alice", "correct horse", "https://else.test")[0]), "invalid_grant",
    ),
    "the human's ID token": (for_a_human(lambda s: s.id_token), "invalid_request"),
    "a machine that is called as a person is": (for_a_human(lambda s: s.it.from_idp("bob")), "invalid_grant"),
    "an agent's token in a human's place": (for_a_human(lambda s: s.orchestrators), "invalid_grant"),
    # what was handed on
    "T1: alg none": (below(lambda s: changed(s.first, head={"alg": "none"})), "invalid_request"),
    "T1: another's key": (below(lambda s: by_mallory(s.first)), "invalid_request"),
    "T1: spliced with the human's": (below(lambda s: spliced(s.first, s.human, s.first)), "invalid_request"),
    "T1: without its actor": (below(lambda s: by_us(s.signer, s.first, act=None)), "invalid_request"),
    "T1: act null": (
        below(lambda s: by_us(s.signer, s.first, payload=_act_null(s.first))), "invalid_request",
    ),
    "T1: another audience": (below(lambda s: by_us(s.signer, s.first, aud="https://crm.test")), "invalid_grant"),
    "T1: expired": (
        below(lambda s: by_us(s.signer, s.first, iat=int(time.time()) - 90, exp=int(time.time()) - 1)),
        "invalid_grant",
    ),
    "T1: its hop left out": (_without_actor, "unauthorized_client"),
    # by whom
    "the actor's with a chain": (by_actor(lambda s: s.second), "invalid_request"),
    "another's as the actor": (_stolen, "unauthorized_client"),
    "a human as the actor": (by_actor(lambda s: s.human), "invalid_grant"),
    "the actor's: another's key": (by_actor(lambda s: by_mallory(s.own)), "invalid_request"),
    # the client
    "the assertion twice": (_replayed, "invalid_client"),
    "the assertion of another": (
        by_assertion(lambda s: s.it.assertion("orchestrator", sub="researcher")), "invalid_client",
    ),
    "the assertion for the provider": (
        by_assertion(lambda s: s.it.assertion("researcher", aud=s.it.idp.issuer)), "invalid_client",
    ),
    "the assertion for an hour": (
        by_assertion(lambda s: s.it.assertion("researcher", exp=int(time.time()) + 3600)), "invalid_client",
    ),
    "the assertion: alg none": (
        by_assertion(lambda s: changed(s.it.assertion("researcher"), head={"alg": "none"})), "invalid_client",
    ),
    "the human's: by an agent that it was not given to": (
        lambda s: s.it.exchange("researcher", s.human, s.it.from_idp("researcher")), "invalid_grant",
    ),
    "the assertion: another's key": (
        by_assertion(lambda s: by_mallory(s.it.assertion("researcher"))), "invalid_client",
    ),
}  # fmt: skip


def _act_null(token: str) -> bytes:
    return json.dumps(claims_of(token) | {"act": None}).encode()


def test_no_forgery_is_exchanged(tmp_path: Path) -> None:
    """Each is answered with the code of its mistake, and with no token; what was meant is exchanged after it."""

    async def main() -> None:
        async with house(tmp_path) as it:
            scene = await scene_of(it)
            for name, (ask, code) in AT_THE_ENDPOINT.items():
                answer = await ask(scene)
                assert (name, answer.status_code) == (name, 401 if code == "invalid_client" else 400)
                assert (name, error(answer)) == (name, code)
            assert granted(await below(lambda s: s.first)(scene))

    asyncio.run(main())


def test_a_person_named_as_an_agent_is_nobody(tmp_path: Path) -> None:
    """Their token has the agent's own subject, of the agent's own issuer: it is refused everywhere, and the agent's is
    not."""

    async def main() -> None:
        async with house(tmp_path) as it:
            theirs = await asyncio.to_thread(it.human, "researcher")
            assert claims_of(theirs)["sub"] == claims_of(it.from_idp("researcher"))["sub"] == "researcher"
            assert await it.presented(theirs) == (403, "agent_unknown")
            first = await it.first()
            assert error(await it.exchange("researcher", first, theirs)) == "invalid_grant"
            assert error(await it.exchange("researcher", theirs, await it.own("researcher"))) == "invalid_grant"
            assert granted(await it.exchange("researcher", first, it.from_idp("researcher")))

    asyncio.run(main())


# --- each kind of token in the place of each other ------------------------------------------------

KINDS: dict[str, Callable[[Scene], str]] = {
    "a human's access token": lambda s: s.human,
    "a human's ID token": lambda s: s.id_token,
    "an agent's access token": lambda s: s.it.from_idp("researcher"),
    "a task token with a chain": lambda s: s.second,
    "an agent's assertion": lambda s: s.it.assertion("researcher"),
    "a transaction token": lambda s: s.txn(),
}


async def _proxied(scene: Scene, token: str) -> bool:
    return (await scene.it.presented(token))[0] == 200


async def _as_subject(scene: Scene, token: str) -> bool:
    """By either agent, as itself."""
    return 200 in [
        (await scene.it.exchange(agent, token, scene.it.from_idp(agent))).status_code
        for agent in ("orchestrator", "researcher")
    ]


async def _as_actor(scene: Scene, token: str) -> bool:
    return (await scene.it.exchange("researcher", scene.first, token)).status_code == 200


async def _as_assertion(scene: Scene, token: str) -> bool:
    return (await by_assertion(lambda _: token)(scene)).status_code == 200


async def _at_the_service(scene: Scene, token: str) -> bool:
    return (await scene.it.direct(token))[0] == 200


PLACES: dict[str, Callable[[Scene, str], Awaitable[bool]]] = {
    "credential": _proxied,
    "subject": _as_subject,
    "actor": _as_actor,
    "client assertion": _as_assertion,
    "Txn-Token": _at_the_service,
}

MEANT = {
    ("a human's access token", "subject"),
    ("an agent's access token", "credential"),
    ("an agent's access token", "actor"),
    ("a task token with a chain", "credential"),
    ("a task token with a chain", "subject"),
    ("an agent's assertion", "client assertion"),
    ("a transaction token", "Txn-Token"),
}


def test_each_kind_of_token_is_good_for_its_own_places_only(tmp_path: Path) -> None:
    """All pairs of kind and place: what is accepted is exactly what is meant, so no kind passes for another."""

    async def main() -> None:
        async with house(tmp_path) as it:
            scene = await scene_of(it)
            accepted = {
                (kind, place)
                for kind, make in KINDS.items()
                for place, put in PLACES.items()
                if await put(scene, make(scene))
            }
            assert accepted == MEANT

    asyncio.run(main())


# --- parties that are gone ------------------------------------------------------------------------


async def _in_force(it: House, old: str, new: str) -> None:
    """The inventory says something else, and it is in force."""
    path = it.folder / "inventory" / "inventory.yaml"
    text, before = path.read_text(), it.core.inventory().version
    assert old in text
    path.write_text(text.replace(old, new))
    await until(lambda: it.core.inventory().version != before)


def test_whoever_of_the_chain_is_gone_ends_it(tmp_path: Path) -> None:
    """The agent in the middle revoked, the human deactivated: calls, new tunnels and exchanges are refused."""

    async def main() -> None:
        async with house(tmp_path) as it:
            scene = await scene_of(it)
            async with it.agent(scene.second) as agent:
                assert (await agent.get("/v1/customers/c-7")).status_code == 200
                await it.core.revocations.revoke("agent:orchestrator", "operator:t", "gone", time.time())
                began = own_time()
                answer = await agent.get("/v1/customers/c-7")
                assert (answer.status_code, answer.json()["reason"]) == (403, "agent_revoked")
                assert own_time() - began < 1.0
            assert await it.presented(scene.second) == (403, "agent_revoked")
            assert error(await below(lambda s: s.first)(scene)) == "invalid_grant"
            await it.core.revocations.lift("agent:orchestrator")
            assert await it.presented(scene.second) == (200, "")
            await _in_force(it, "name: Alice Archer,", "active: false, name: Alice Archer,")
            assert await it.presented(scene.second) == (403, "principal_inactive")
            assert error(await for_a_human(lambda s: s.human)(scene)) == "invalid_grant"
            assert error(await below(lambda s: s.first)(scene)) == "invalid_grant"
            assert await it.presented(scene.orchestrators) == (200, "")  # it may still work for itself

    asyncio.run(main())
