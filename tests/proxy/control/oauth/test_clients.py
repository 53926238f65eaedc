"""Which agent sends a request."""

import asyncio
import base64
from dataclasses import replace
from typing import Any

import pytest

from proxy.control.oauth.clients import ASSERTION, SVID_ASSERTION, authenticate
from proxy.control.oauth.forms import Form, Sent
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.facts import Subject
from tests.fakes.issuer import NOW, jwk
from tests.fakes.token_house import TokenHouse, details, error, good


async def ask(house: TokenHouse, headers: dict[str, str] | None = None, **form: Any) -> Any:
    """A request for a token with just this."""
    await house.revocation_feed.poll(house.now)
    asked = {"grant_type": "client_credentials", "scope": "payments/refund"} | form
    async with house.client(**(headers or {})) as client:
        return await client.post("/oauth2/token", data={name: value for name, value in asked.items() if value})


def assertion(house: TokenHouse, **changes: Any) -> dict[str, str]:
    return {"client_assertion_type": ASSERTION, "client_assertion": house.assertion(**changes)}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_an_agent_shows_itself_by_its_key(house: TokenHouse) -> None:
    """With or without naming itself; each assertion once."""

    async def story() -> None:
        shown = assertion(house)
        good(await ask(house, **shown))
        assert error(await ask(house, **shown)) == "invalid_client"
        good(await ask(house, **assertion(house), client_id="support-bot"))
        assert error(await ask(house, **assertion(house), client_id="builder")) == "invalid_client"

    asyncio.run(story())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "builder"},
        {"sub": "builder"},
        {"iss": "nobody", "sub": "nobody"},
        {"iss": None},
        {"aud": "https://gov.example/oauth2/token"},
        {"aud": ["https://gov.example", "https://other.example"]},
        {"aud": None},
        {"jti": None},
        {"jti": 7},
        {"exp": int(NOW) + 61},
        {"exp": int(NOW) - 31, "iat": int(NOW) - 60},
        {"iat": int(NOW) + 31, "exp": int(NOW) + 60},
        {"act": {"sub": "frank"}},
        {"key": "builder"},
        {"key": "k1"},
        {"head": {"alg": "none", "kid": "bot"}},
        {"head": {"alg": "HS256", "kid": "bot"}},
        {"head": {"alg": "ES256", "kid": "bot", "typ": "at+jwt"}},
        {"head": {"alg": "ES256", "kid": "bot", "typ": "dpop+jwt"}},
        {"head": {"alg": "ES256", "kid": "bot", "jwk": jwk("ES256", "bot")}},
    ],
)
def test_an_assertion_that_is_not_for_this_request_shows_nobody(house: TokenHouse, changes: dict[str, Any]) -> None:
    """Of somebody else, for somebody else, too long, too old, with another key, or made for another purpose."""

    async def story() -> None:
        assert error(await ask(house, **assertion(house, **changes))) == "invalid_client"
        assert house.log.records == []

    asyncio.run(story())


BOT_SVID = "spiffe://prod.example/agent/support"


def by_svid(house: TokenHouse, **changes: Any) -> dict[str, str]:
    """A JWT-SVID of the support bot, which the inventory knows by it."""
    bot = house.facts.agents["support-bot"]
    known = Subject(issuer="spiffe://prod.example", subject=BOT_SVID)
    bot = bot.model_copy(update={"identities": (*bot.identities, known)})
    house.facts = house.facts.model_copy(update={"agents": {**house.facts.agents, "support-bot": bot}})
    return {"client_assertion_type": SVID_ASSERTION, "client_assertion": house.svid(BOT_SVID, **changes)}


def test_an_agent_shows_itself_by_its_svid(house: TokenHouse) -> None:
    """For our issuer alone (draft-ietf-oauth-spiffe-client-auth); by its id or its SPIFFE ID."""

    async def story() -> None:
        shown = by_svid(house)
        assert error(await ask(house, **shown)) == "invalid_client"  # no trust domain is known to the endpoint
        house.serve_tokens(svids=house.svids)
        for name in ("", "support-bot", BOT_SVID):
            assert good(await ask(house, **shown, client_id=name))["expires_in"] == 300
        assert error(await ask(house, **shown, client_id="builder")) == "invalid_client"
        assert "shown=jwt_svid" in house.log.records[-1]["change"]["details"]
        mine = (await house.own())["authorization_details"][0]["task_id"]
        wanted = {"scope": "", "authorization_details": details(task_id=mine, actions=None, purpose=None)}
        good(await ask(house, **shown, **wanted))  # its own credential reaches its tasks

    asyncio.run(story())


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://gov.example/proxy"]},
        {"aud": ["https://gov.example", "https://other.example"]},
        {"sub": "spiffe://prod.example/agent/other"},
        {"sub": "spiffe://other.example/agent/support"},
        {"exp": int(NOW) - 40},
        {"exp": int(NOW) + 7200},
        {"act": {"sub": "frank"}},
    ],
)
def test_an_svid_that_is_not_for_us_shows_nobody(house: TokenHouse, changes: dict[str, Any]) -> None:
    """One for the proxy is none for its authorization server; nor is one of another domain, of nobody, or too long."""

    async def story() -> None:
        shown = by_svid(house, **changes)
        house.serve_tokens(svids=house.svids)
        assert error(await ask(house, **shown)) == "invalid_client"
        swapped = {"client_assertion_type": ASSERTION, "client_assertion": house.svid(BOT_SVID)}
        assert error(await ask(house, **swapped)) == "invalid_client"
        swapped = {"client_assertion_type": SVID_ASSERTION, "client_assertion": house.assertion()}
        assert error(await ask(house, **swapped)) == "invalid_client"
        unknown = by_svid(house) | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}
        assert error(await ask(house, **unknown)) == "invalid_client"

    asyncio.run(story())


def test_an_agent_shows_itself_by_a_handle(house: TokenHouse) -> None:
    """As Bearer, or as Basic whose user is the agent or nobody."""

    async def story() -> None:
        handle = await house.handle()
        for headers in ({"authorization": f"Bearer {handle}"}, basic("support-bot", handle), basic("", handle)):
            good(await ask(house, headers))

    asyncio.run(story())


def test_nothing_and_too_much_show_nobody(house: TokenHouse) -> None:
    """No credential, two, wrong ones, secrets in the form, a person's token, a foreign issuer's token: 401."""

    async def story() -> None:
        handle = await house.handle()
        bearer = {"authorization": f"Bearer {handle}"}
        for headers, form in (
            ({}, {}),
            (bearer, assertion(house)),
            (bearer, {"client_assertion": house.assertion()}),
            (bearer, {"client_assertion_type": ASSERTION}),
            (bearer, {"client_id": "builder"}),
            ({"authorization": basic("", handle)["authorization"] + "!"}, {}),
            (bearer, {"client_secret": "x"}),
            (basic("builder", handle), {}),
            ({"authorization": "Basic !!"}, {}),
            ({"authorization": "Basic " + base64.b64encode(b"nocolon").decode()}, {}),
            ({"authorization": f"Digest {handle}"}, {}),
            ({"authorization": "Bearer csh_" + "a" * 43}, {}),
            ({"authorization": f"Bearer {await house.token('alice')}"}, {}),
            ({"authorization": f"Bearer {house.agents_own()}"}, {}),
            ({}, {"client_assertion": house.assertion()}),
            ({}, {"client_assertion_type": ASSERTION}),
            ({}, {"client_assertion_type": "x", "client_assertion": house.assertion()}),
        ):
            answer = await ask(house, headers, **form)
            assert error(answer) == "invalid_client", (headers, form)
            assert answer.headers["www-authenticate"].startswith("Basic")

    asyncio.run(story())


def test_one_authorization_is_taken_not_two(house: TokenHouse) -> None:
    """Not even the same one twice: whoever stands between us could have read the other."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        shown = f"Bearer {await house.handle()}"
        sent = Sent("POST", "/oauth2/token", authorization=(shown, shown))
        assert (await authenticate(Form({}, (), ()), replace(sent, authorization=(shown,)), house.oauth)).agent
        with pytest.raises(OAuthMistake) as caught:
            await authenticate(Form({}, (), ()), sent, house.oauth)
        assert caught.value.error == "invalid_client"

    asyncio.run(story())


@pytest.mark.parametrize("what", ["disabled", "unknown", "revoked", "no keys"])
def test_an_agent_that_may_not_call_gets_no_token(house: TokenHouse, what: str) -> None:
    """Whatever it can sign."""

    async def story() -> None:
        agents = dict(house.facts.agents)
        bot = agents.pop("support-bot")
        match what:
            case "disabled":
                agents["support-bot"] = bot.model_copy(update={"enabled": False})
            case "no keys":
                agents["support-bot"] = bot.model_copy(update={"client_keys": ()})
            case "revoked":
                agents["support-bot"] = bot
                await house.revocations.revoke("agent:support-bot", "x", "x", house.now)
        house.facts = house.facts.model_copy(update={"agents": agents})
        assert error(await ask(house, **assertion(house))) == "invalid_client"

    asyncio.run(story())


def test_while_revocations_are_not_heard_of_nobody_gets_a_token(house: TokenHouse) -> None:
    """We are at fault then, and say so."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        house.now += 2
        async with house.client() as client:
            form = {"grant_type": "client_credentials", "scope": "payments/refund"} | assertion(house)
            assert error(await client.post("/oauth2/token", data=form)) == "temporarily_unavailable"

    asyncio.run(story())
