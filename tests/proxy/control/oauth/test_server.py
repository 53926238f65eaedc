"""The authorization server, whichever door a request comes in by."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy.control.oauth.clients import ASSERTION, SVID_ASSERTION
from proxy.control.oauth.forms import Sent
from proxy.control.oauth.rates import Rates
from proxy.control.oauth.server import TokenServer
from proxy.stages import Reply
from tests.fakes.issuer import jwk
from tests.fakes.token_house import TokenHouse, details, error, good

FORM = "application/x-www-form-urlencoded"


async def post(house: TokenHouse, path: str = "/oauth2/token", server: TokenServer | None = None, **form: str) -> Reply:
    await house.revocation_feed.poll(house.now)
    shown = {"client_assertion_type": ASSERTION, "client_assertion": house.assertion()}
    body = urlencode(shown | form).encode()
    return await (server or house.server).reply(Sent("POST", path, content_type=FORM, body=body))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/.well-known/oauth-authorization-server", 200),
        ("HEAD", "/.well-known/jwks.json", 200),
        ("POST", "/.well-known/jwks.json", 405),
        ("GET", "/oauth2/token", 405),
        ("PUT", "/oauth2/revoke", 405),
        ("POST", "/oauth2/token/", 404),
        ("POST", "/oauth2/authorize", 404),
    ],
)
def test_each_path_takes_one_method(house: TokenHouse, method: str, path: str, status: int) -> None:
    """Anything else is said to be so, in JSON, and nobody may cache it."""
    reply = asyncio.run(house.server.reply(Sent(method, path)))
    assert reply.status == status
    assert ("cache-control", "no-store") in reply.headers
    assert json.loads(reply.body)


def test_keys_that_sign_and_will_sign_are_published(house: TokenHouse) -> None:
    """A token verifies by what is read here, before and after the key has changed."""

    async def story() -> None:
        token = (await house.own())["access_token"]
        before = await keys(house)
        assert house.signer.key_id in before
        house.now += 31 * 86_400
        assert house.signer.rotate_if_due(house.now)
        after = await keys(house)
        assert house.signer.key_id in set(before) & set(after)  # the next one was published in time
        assert set(before) <= set(after)  # and the last one is still
        assert token

    asyncio.run(story())


async def keys(house: TokenHouse) -> list[str]:
    reply = await house.server.reply(Sent("GET", "/.well-known/jwks.json"))
    return [key["kid"] for key in json.loads(reply.body)["keys"]]


def test_a_client_that_asks_too_often_waits(house: TokenHouse) -> None:
    """429 with the time to wait, for this client alone; ending a token never waits, and the log does not fill up."""

    async def story() -> None:
        server = TokenServer(house.oauth, Rates(per_second=0.1, at_once=2))
        asked = {"grant_type": "client_credentials", "authorization_details": details()}
        assert [(await post(house, server=server, **asked)).status for _ in range(3)] == [200, 200, 429]
        records = len(house.log.records)
        reply = await post(house, server=server, **asked)
        assert ("retry-after", "10") in reply.headers
        assert json.loads(reply.body)["error"] == "temporarily_unavailable"
        assert len(house.log.records) == records
        assert (await post(house, "/oauth2/introspect", server, token="x")).status == 429
        assert (await post(house, "/oauth2/revoke", server, token="x")).status == 200
        house.now += 10
        assert (await post(house, server=server, **asked)).status == 200

    asyncio.run(story())


# --- services that ask what a token is ---------------------------------------------------------------------


async def asked_by(
    house: TokenHouse, token: str, service: str = "planner", more: Any = None, handle: str = "", **changes: Any
) -> Any:
    """A service asks, by its own key, with `more` in the form, and a handle beside it if there is one."""
    await house.revocation_feed.poll(house.now)
    name = f"service:{service}"
    shown = house.assertion(name, key=service, head={"alg": "ES256", "kid": service}, **changes)
    form = {"client_assertion_type": ASSERTION, "client_assertion": shown, "token": token} | (more or {})
    async with house.client(**({"authorization": f"Bearer {handle}"} if handle else {})) as client:
        return await client.post("/oauth2/introspect", data=form)


def test_a_service_of_ours_learns_what_a_token_for_it_is(house: TokenHouse) -> None:
    """By its own key, once for each question; of a token that is not for it, it learns nothing."""

    async def story() -> None:
        token = (await house.own(actions=["planner/*", "payments/refund"]))["access_token"]
        told = good(await asked_by(house, token))
        assert (told["active"], told["sub"], told["client_id"]) == (True, "support-bot", "support-bot")
        other = (await house.own())["access_token"]
        assert good(await asked_by(house, other)) == {"active": False}
        house.now += 1
        await house.revocations.revoke("agent:support-bot", "x", "x", house.now)
        assert good(await asked_by(house, token)) == {"active": False}

    asyncio.run(story())


def test_a_service_shows_itself_or_is_nobody(house: TokenHouse) -> None:
    """By its key in the inventory, addressed to us; not one of another class, and never for a token."""

    async def story() -> None:
        token = (await house.own(actions=["planner/*"]))["access_token"]
        for changes in ({"aud": "https://other"}, {"iss": "planner"}, {"jti": None}):
            assert error(await asked_by(house, token, **changes)) == "invalid_client"
        for more in ({"client_id": "support-bot"}, {"client_assertion_type": SVID_ASSERTION}):
            assert error(await asked_by(house, token, more=more)) == "invalid_client"
        assert error(await asked_by(house, token, handle=await house.handle())) == "invalid_client"
        assert good(await asked_by(house, token, more={"client_id": "service:planner"}))["active"]
        assert error(await asked_by(house, token, "payments")) == "invalid_client"
        keyed = house.facts.services["payments"].model_copy(update={"client_keys": (jwk("ES256", "payments"),)})
        house.facts = house.facts.model_copy(update={"services": {**house.facts.services, "payments": keyed}})
        assert error(await asked_by(house, token, "payments")) == "invalid_client"  # public: not of our house
        shown = house.assertion("service:planner", key="planner", head={"alg": "ES256", "kid": "planner"})
        form = {"client_assertion_type": ASSERTION, "client_assertion": shown, "scope": "planner/*"}
        async with house.client() as client:
            answer = await client.post("/oauth2/token", data=form | {"grant_type": "client_credentials"})
        assert error(answer) == "invalid_client"

    asyncio.run(story())
