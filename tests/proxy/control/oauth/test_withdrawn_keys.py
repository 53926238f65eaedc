"""What hangs on an issuer's keys ends when they are withdrawn: the tokens obtained by them, and what they began."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy.control.oauth.clients import SVID_ASSERTION
from proxy.control.oauth.parties import CLIENT, HANDLE
from proxy.errors import Refused
from proxy.facts import Subject
from proxy.stages import Evidence
from tests.fakes.issuer import ISSUER, jwk, key_set
from tests.fakes.token_house import DOMAIN, TokenHouse, details, error, good

BOT_SVID = f"spiffe://{DOMAIN}/bots/support"
EMPTY = b'{"keys": []}'
ITSELF = {"actor_token": "support-bot", "actor_token_type": CLIENT}


async def by_svid(house: TokenHouse) -> str:
    """A task token that the support bot gets by its JWT-SVID alone."""
    agents = dict(house.facts.agents)
    agents["support-bot"] = agents["support-bot"].model_copy(
        update={"identities": (Subject(issuer=f"spiffe://{DOMAIN}", subject=BOT_SVID),)}
    )
    house.facts = house.facts.model_copy(update={"agents": agents})
    house.serve_tokens(svids=house.svids)
    form = {"client_assertion_type": SVID_ASSERTION, "client_assertion": house.svid(BOT_SVID)}
    asked = {"grant_type": "client_credentials", "authorization_details": details()}
    return str(good(await house.ask(agent=None, **form, **asked))["access_token"])


async def for_frank(house: TokenHouse) -> str:
    """A task token in Frank's name."""
    return str(good(await house.for_frank(**ITSELF))["access_token"])


async def by_process(house: TokenHouse) -> str:
    """A task token for a process that showed itself by its JWT-SVID."""
    house.serve_tokens(svids=house.svids)
    answer = await house.exchange(subject_token=house.svid(), authorization_details=details(), **ITSELF)
    return str(good(answer)["access_token"])


async def use(house: TokenHouse, token: str) -> str:
    """What a call with this token is refused with; empty if it passes so far."""
    await house.resolver.refresh(house.now)
    try:
        proven = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        house.resolver.attribute(proven, house.facts, house.now)
    except Refused as refused:
        return refused.refusal.reason
    return ""


@pytest.mark.parametrize(
    ("obtain", "document"),
    [(by_svid, "bundle.json"), (by_process, "bundle.json"), (for_frank, "jwks.json")],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_a_token_ends_with_the_key_that_it_was_obtained_by(
    house: TokenHouse, obtain: Callable[[TokenHouse], Awaitable[str]], document: str, *, restarted: bool
) -> None:
    """And a handle and a child task below it; what is open is cut by the same question. Also after a restart."""

    async def story() -> None:
        token = await obtain(house)
        assert await use(house, token) == ""
        bound = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        (house.folder / document).write_bytes(EMPTY)
        house.now += 10
        if restarted:
            house.restart()
        assert await use(house, token) == "identity_expired"
        with pytest.raises(Refused):
            house.resolver.attribute(bound, house.facts, house.now)
        child = {"subject_token": token, "authorization_details": details(), **ITSELF}
        assert error(await house.exchange(**child)) == "invalid_grant"
        asked = await house.ask("introspect", token=token)
        assert asked.json() == {"active": False}

    asyncio.run(story())


def test_a_task_ends_with_the_key_that_it_began_by(house: TokenHouse) -> None:
    """Whoever gets a further token for it by a key of their own gets none that counts."""

    async def story() -> None:
        task = house.read(await for_frank(house))["task"]
        again = {
            "grant_type": "client_credentials",
            "authorization_details": details(task_id=task, actions=None, purpose=None),
        }
        assert await use(house, good(await house.ask(**again))["access_token"]) == ""
        handle = await house.handle(task=task)
        assert await use(house, handle) == ""
        (house.folder / "jwks.json").write_bytes(EMPTY)
        house.now += 10
        assert await use(house, handle) == "identity_expired"
        assert await use(house, good(await house.ask(**again))["access_token"]) == "identity_expired"

    asyncio.run(story())


def test_a_key_beside_it_that_goes_ends_nothing(house: TokenHouse) -> None:
    """An ordinary change of keys: a new one comes, an old one that vouched for nothing here goes."""

    async def story() -> None:
        (house.folder / "jwks.json").write_bytes(key_set(jwk("ES256"), jwk("ES256", "old")))
        token = await for_frank(house)
        (house.folder / "jwks.json").write_bytes(key_set(jwk("ES256"), jwk("ES256", "new")))
        house.now += 10
        assert await use(house, token) == ""

    asyncio.run(story())


def test_a_key_can_be_ended_by_its_name(house: TokenHouse) -> None:
    """By the kill switch, as every scope: with all that it vouched for."""

    async def story() -> None:
        token = await for_frank(house)
        key = next(one for one in house.read(token)["via"] if one.startswith(f"key:{ISSUER}|"))
        await house.revocations.revoke(key, "operator", "it leaked", house.now)
        assert (await house.ask("introspect", token=token)).json() == {"active": False}

    asyncio.run(story())


async def by_own_key(house: TokenHouse) -> str:
    """A task token that the support bot gets by an assertion."""
    return str((await house.own())["access_token"])


async def below_another(house: TokenHouse) -> str:
    """The builder's token, of a task below the support bot's, which showed its own key."""
    form = {"subject_token": await by_own_key(house), "authorization_details": details()}
    handle = {"actor_token": await house.handle("builder"), "actor_token_type": HANDLE}
    return str(good(await house.exchange(**form, **handle))["access_token"])


@pytest.mark.parametrize(
    ("obtain", "agent", "taken"),
    [
        (by_own_key, "support-bot", "client_keys"),
        (below_another, "support-bot", "client_keys"),
        (by_svid, "support-bot", "identities"),
        (for_frank, "frank", "identities"),
    ],
)
def test_what_the_inventory_takes_away_ends_what_was_obtained_with_it(
    house: TokenHouse, obtain: Callable[[TokenHouse], Awaitable[str]], agent: str, taken: str
) -> None:
    """A client's key, an account of an agent or a person: new calls and open connections, whatever its issuer says."""

    async def story() -> None:
        token = await obtain(house)
        assert await use(house, token) == ""
        bound = await house.resolver.prove(Evidence("p", (("bearer", token),)), house.now, house.facts)
        section = "people" if agent == "frank" else "agents"
        facts = dict(getattr(house.facts, section))
        facts[agent] = facts[agent].model_copy(update={taken: ()})
        house.facts = house.facts.model_copy(update={section: facts})
        with pytest.raises(Refused, match="identity_revoked"):
            house.resolver.attribute(bound, house.facts, house.now)
        assert await use(house, token) == "identity_revoked"

    asyncio.run(story())
