"""The token endpoint at the proxy's own host."""

import asyncio
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy.control.oauth.clients import ASSERTION
from proxy.control.oauth.own_host import own_endpoints
from proxy.identity.possession import thumbprint
from proxy.own_host import OWN_HOST
from proxy.stages import Evidence, Identity, Proven, Reply, Request
from tests.fakes.token_house import TokenHouse, details

CERTIFICATE = (b"the certificate of the support bot",)
OTHER = (b"another one",)
TOKEN = {"grant_type": "client_credentials", "authorization_details": details()}


async def connected(house: TokenHouse, method: str = "x509_svid", agent: str = "support-bot") -> Identity:
    """A connection that proved to be this agent's."""
    await house.revocation_feed.poll(house.now)
    shown = thumbprint(CERTIFICATE) if method == "x509_svid" else ""
    subject = f"spiffe://prod.example/{agent}"
    proven = Proven(
        agent, method, f"{method}:{agent}", house.now, house.now + 3600, "", issuer="spiffe://prod.example",
        subject=subject, evidence="sha256:e", thumbprint=shown,
    )  # fmt: skip
    return await house.oauth.living(proven)


async def ask(
    house: TokenHouse, client: Identity, path: str = "token", headers: tuple[tuple[str, str], ...] = (), **form: str
) -> tuple[Reply, dict[str, Any]]:
    """This form over the connection of this agent."""
    await house.revocation_feed.poll(house.now)
    sent = (("content-type", "application/x-www-form-urlencoded"), *headers)
    request = Request("POST", "https", OWN_HOST, 443, f"/oauth2/{path}", "", sent, urlencode(form or TOKEN).encode())
    reply = await own_endpoints(house.server)[request.path](request, client)
    return reply, json.loads(reply.body or b"{}")


@pytest.mark.parametrize("method", ["x509_svid", "peercred", "jwt", "opaque_handle"])
def test_the_connection_is_the_client(house: TokenHouse, method: str) -> None:
    """However it was proven, and without a second secret; the record says by what."""

    async def story() -> None:
        client = await connected(house, method)
        reply, body = await ask(house, client)
        assert (reply.status, house.read(body["access_token"])["client_id"]) == (200, "support-bot")
        assert f"shown={method}" in house.log.records[-1]["change"]["details"]
        for name in ("support-bot", "spiffe://prod.example/support-bot"):
            assert (await ask(house, client, client_id=name, **TOKEN))[0].status == 200
        reply, body = await ask(house, client, client_id="builder", **TOKEN)
        assert (reply.status, body["error"]) == (401, "invalid_client")

    asyncio.run(story())


def test_showing_oneself_twice_is_showing_nobody(house: TokenHouse) -> None:
    """RFC 6749 section 2.3: one way for each request, even if both would agree."""

    async def story() -> None:
        client = await connected(house)
        handle = await house.handle()
        reply, body = await ask(house, client, headers=(("authorization", f"Bearer {handle}"),))
        assert (reply.status, body["error"]) == (401, "invalid_client")
        asserted = {"client_assertion_type": ASSERTION, "client_assertion": house.assertion()}
        assert (await ask(house, client, **TOKEN, **asserted))[1]["error"] == "invalid_client"

    asyncio.run(story())


def test_who_was_ended_meanwhile_gets_nothing(house: TokenHouse) -> None:
    """The connection is judged again, at this very moment."""

    async def story() -> None:
        client = await connected(house)
        await house.revocations.revoke("agent:support-bot", "x", "x", house.now)
        assert (await ask(house, client))[1]["error"] == "invalid_client"
        await house.revocations.lift("agent:support-bot")
        house.now += 3600
        assert (await ask(house, client))[1]["error"] == "invalid_client"

    asyncio.run(story())


def test_an_agent_with_a_key_of_its_own_reaches_its_tasks(house: TokenHouse) -> None:
    """By certificate, as by a signed assertion; by a bearer token only what it names anew."""

    async def story() -> None:
        mine = (await house.own())["authorization_details"][0]["task_id"]
        wanted = {"grant_type": "client_credentials"} | {
            "authorization_details": details(task_id=mine, actions=None, purpose=None)
        }
        assert (await ask(house, await connected(house), **wanted))[0].status == 200
        assert (await ask(house, await connected(house, "jwt"), **wanted))[0].status == 400

    asyncio.run(story())


# --- tokens that are bound to a certificate ---------------------------------------------------------------


async def bound(house: TokenHouse) -> str:
    """A task token that the support bot got by its certificate."""
    return str((await ask(house, await connected(house)))[1]["access_token"])


def test_a_token_that_was_got_by_certificate_is_bound_to_it(house: TokenHouse) -> None:
    """`cnf` names it (RFC 8705 section 3.1); with that certificate the token is evidence."""

    async def story() -> None:
        token = await bound(house)
        assert house.read(token)["cnf"] == {"x5t#S256": thumbprint(CERTIFICATE)}
        shown = Evidence("", (("bearer", token),), certificates=CERTIFICATE)
        assert (await house.resolver.prove_task_token(token, thumbprint(CERTIFICATE), house.now)).agent == "support-bot"
        assert thumbprint(shown.certificates) == house.read(token)["cnf"]["x5t#S256"]
        reply, body = await ask(house, await connected(house, "peercred"))
        assert "cnf" not in house.read(body["access_token"])
        assert reply.status == 200

    asyncio.run(story())


def test_a_stolen_token_is_worth_nothing(house: TokenHouse) -> None:
    """On a call, and at this endpoint as subject or as actor: without the certificate, or with another, it proves
    nobody; and asking about it tells only the agent itself."""

    async def story() -> None:
        token = await bound(house)
        with pytest.raises(Exception, match="token_bound_to_another_certificate"):
            await house.resolver.prove(Evidence("", (("bearer", token),)), house.now, house.facts)
        with pytest.raises(Exception, match="token_bound_to_another_certificate"):
            await house.resolver.prove_task_token(token, thumbprint(OTHER), house.now)
        thief = await connected(house, "peercred")
        again = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token}
        again["subject_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        assert (await ask(house, thief, **again))[1]["error"] == "invalid_request"
        other = replace(thief, proven=replace(thief.proven, thumbprint=thumbprint(OTHER)))
        assert (await ask(house, other, **again))[1]["error"] == "invalid_request"
        assert (await ask(house, await connected(house, agent="builder"), "introspect", token=token))[1] == {
            "active": False
        }
        assert (await ask(house, thief, "introspect", token=token))[1]["active"] is True

    asyncio.run(story())


def test_its_holder_goes_on_with_it(house: TokenHouse) -> None:
    """Over a connection with that certificate it is exchanged, and what comes out is bound too."""

    async def story() -> None:
        client, token = await connected(house), await bound(house)
        again = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token}
        again["subject_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
        reply, body = await ask(house, client, **again)
        assert reply.status == 200, body
        assert house.read(body["access_token"])["cnf"] == {"x5t#S256": thumbprint(CERTIFICATE)}

    asyncio.run(story())
