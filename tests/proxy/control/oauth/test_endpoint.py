"""The routes of the token endpoint."""

import asyncio

import pytest

from tests.fakes.token_house import OURS, TokenHouse, details, error, good


def test_metadata_says_what_is_there(house: TokenHouse) -> None:
    """RFC 8414: the issuer is exactly ours, and every endpoint that is named answers."""

    async def story() -> None:
        async with house.client() as client:
            told = (await client.get("/.well-known/oauth-authorization-server")).json()
            assert told["issuer"] == OURS
            for name in ("token_endpoint", "introspection_endpoint", "revocation_endpoint"):
                path = told[name].removeprefix(OURS)
                assert (await client.post(path, data={"token": "x"})).status_code == 401
                assert (await client.get(path)).status_code == 405
        assert told["authorization_details_types_supported"] == ["countersign_task"]
        assert told["token_endpoint_auth_methods_supported"][:2] == ["private_key_jwt", "client_secret_basic"]
        assert "none" not in str(told)

    asyncio.run(story())


@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
def test_nobody_is_told_anything_before_they_show_themselves(house: TokenHouse, path: str) -> None:
    """401, uncached, whatever else is in the form."""

    async def story() -> None:
        answer = await house.ask(path, None, token="x", grant_type="client_credentials", scope="payments/refund")
        assert error(answer) == "invalid_client"
        assert house.log.records == []

    asyncio.run(story())


def test_a_form_with_two_types_is_none(house: TokenHouse) -> None:
    """Who reads the first one and who reads the last would differ."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        kinds = [("content-type", "application/x-www-form-urlencoded"), ("content-type", "application/json")]
        async with house.client() as client:
            answer = await client.post("/oauth2/token", content=b"grant_type=client_credentials", headers=kinds)
        assert error(answer) == "invalid_request"

    asyncio.run(story())


def test_another_sites_page_gets_nothing(house: TokenHouse) -> None:
    """A browser that is led here says so, and is turned away even with a good assertion."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        async with house.client(origin="https://evil.example") as client:
            form = {"grant_type": "client_credentials", "client_assertion": house.assertion()}
            assert (await client.post("/oauth2/token", data=form)).status_code == 403

    asyncio.run(story())


def test_a_refusal_is_on_record_and_names_no_secret(house: TokenHouse) -> None:
    """Who asked, how they showed themselves, and why there was no token."""

    async def story() -> None:
        form = {"subject_token": house.human(aud="https://other"), "actor_token": house.agents_own()}
        assert error(await house.exchange(authorization_details=details(), **form)) == "invalid_grant"
        [record] = house.log.records
        assert (record["type"], record["change"]["kind"]) == ("token.refused", "invalid_grant")
        assert form["subject_token"] not in repr(record)

    asyncio.run(story())


def test_a_store_that_is_down_issues_nothing(house: TokenHouse) -> None:
    """503, to be tried again."""

    async def story() -> None:
        await house.revocation_feed.poll(house.now)
        good(await house.ask(grant_type="client_credentials", scope="payments/refund"))
        form = {"grant_type": "client_credentials", "scope": "payments/refund", "client_assertion": house.assertion()}
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        house.store.close()
        async with house.client() as client:
            answer = await client.post("/oauth2/token", data=form)
        assert (error(answer), answer.headers["retry-after"]) == ("temporarily_unavailable", "1")

    asyncio.run(story())
