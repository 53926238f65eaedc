"""Tokens and sign-in links: the operator gives them, the person or the operator ends them."""

import asyncio
from urllib.parse import parse_qs, urlsplit

from tests.fakes.control_house import ORIGIN, House


def test_the_operator_gives_a_token_that_works(house: House) -> None:
    """It proves its person, and the log knows of it but not its text."""

    async def scenario() -> None:
        async with house.operator() as client:
            made = (await client.post("/v1/people/alice/tokens", json={"ttl_seconds": 600})).json()
        assert made["not_after"] == house.now + 600
        async with house.client(authorization=f"Bearer {made['token']}") as client:
            assert (await client.get("/v1/holds")).status_code == 200
        assert house.log.types() == ["person.token_issued"]
        assert made["token"] not in repr(house.log.records)

    asyncio.run(scenario())


def test_a_sign_in_link_carries_a_code_that_works_once(house: House) -> None:
    """It leads to our own first address; without a body it is made all the same."""

    async def scenario() -> None:
        async with house.operator() as client:
            made = (await client.post("/v1/people/alice/sign-in-links")).json()
        url = urlsplit(made["url"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ORIGIN}/sign-in"
        code = parse_qs(url.query)["code"][0]
        assert await house.door.open_with_code(code, "") is not None
        assert await house.door.open_with_code(code, "") is None
        assert code not in repr(house.log.records)

    asyncio.run(scenario())


def test_nobody_unknown_or_gone_gets_a_way_in(house: House) -> None:
    """Neither a token nor a link for somebody who is not an active person, and no record of one."""

    async def scenario() -> None:
        async with house.operator() as client:
            for person in ("dave", "nobody"):
                for path in ("tokens", "sign-in-links"):
                    answer = await client.post(f"/v1/people/{person}/{path}", json={})
                    assert (answer.status_code, answer.json()["code"]) == (404, "person_unknown")
            answer = await client.post("/v1/people/alice/tokens", json={"ttl_seconds": 5})
            assert answer.json()["code"] == "ttl_out_of_range"
        assert await house.store.list_credentials("dave") == []

    asyncio.run(scenario())


def test_what_cannot_be_written_down_is_not_given(house: House) -> None:
    """With a broken log there is neither token nor link."""

    async def scenario() -> None:
        house.log.broken = True
        async with house.operator() as client:
            for path in ("tokens", "sign-in-links"):
                assert (await client.post(f"/v1/people/alice/{path}", json={})).status_code == 503
        assert await house.store.list_credentials("alice") == []

    asyncio.run(scenario())


def test_a_person_ends_their_own_ways_in_and_nobody_elses(house: House) -> None:
    """Alice's own token is dead after she ends everything; Bob's she cannot touch."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            denied = await client.post("/v1/people/bob/sign-out", json={"reason": "x"})
            assert (denied.status_code, denied.json()["code"]) == (403, "operator_required")
            done = await client.post("/v1/people/alice/sign-out", json={"reason": "lost phone"})
            assert done.json() == {"person": "alice", "ended": 1}
            assert (await client.get("/v1/holds")).status_code == 401

    asyncio.run(scenario())
