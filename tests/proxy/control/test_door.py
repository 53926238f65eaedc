"""From a request to a desk: whose it is, and that it is nobody else's."""

import asyncio

import pytest

from tests.fakes.control_house import ORIGIN, House


def test_a_token_and_a_session_lead_to_their_persons_desk(house: House) -> None:
    """The bearer of a token, and of a session cookie, see what is theirs."""

    async def scenario() -> None:
        await house.hold()
        cookie = {"cookie": f"countersign_session={await house.session('alice')}"}
        for client in (await house.person("alice"), house.client(**cookie)):
            async with client:
                answer = await client.get("/v1/holds")
            assert len(answer.json()["holds"]) == 1

    asyncio.run(scenario())


def test_a_bad_token_is_not_saved_by_a_good_cookie(house: House) -> None:
    """Whoever shows something that does not hold is turned away, whatever else they show."""

    async def scenario() -> None:
        cookie = {"cookie": f"countersign_session={await house.session('alice')}"}
        async with house.client(authorization="Bearer wrong", **cookie) as client:
            assert (await client.get("/v1/holds")).status_code == 401

    asyncio.run(scenario())


def test_a_second_authorization_is_refused(house: House) -> None:
    """Two credentials could name two people, so neither counts."""

    async def scenario() -> None:
        good = f"Bearer {await house.token('alice')}"
        async with house.client() as client:
            answer = await client.get("/v1/holds", headers=[("authorization", good), ("authorization", good)])
        assert answer.status_code == 401

    asyncio.run(scenario())


@pytest.mark.parametrize("person", ["nobody", "dave", ""])
def test_the_operator_acts_only_as_somebody_who_is_here(house: House, person: str) -> None:
    """Unknown and inactive people cannot be acted for."""

    async def scenario() -> None:
        async with house.operator(**{"countersign-as": person}) as client:
            answer = await client.get("/v1/holds")
        assert (answer.status_code, answer.json()["code"]) == (403, "person_unknown")

    asyncio.run(scenario())


def test_acting_as_a_person_gives_no_more_than_that_person_has(house: House) -> None:
    """With `Countersign-As` the operator sees only what that person sees."""

    async def scenario() -> None:
        await house.hold()
        counts = {}
        for person in ("alice", "bob"):
            async with house.operator(**{"countersign-as": person}) as client:
                counts[person] = len((await client.get("/v1/holds")).json()["holds"])
        assert counts == {"alice": 1, "bob": 0}

    asyncio.run(scenario())


def test_signing_in_ends_the_session_that_was_there(house: House) -> None:
    """A session that somebody planted in the browser does not live on beside the new one."""

    async def scenario() -> None:
        planted = await house.session("bob")
        opened = await house.door.open_with_token(await house.token("alice"), planted)
        assert opened is not None
        assert opened.secret != planted
        assert await house.door.with_session(planted) is None
        desk = await house.door.with_session(opened.secret)
        assert desk is not None
        assert desk.caller.name == "person:alice"
        assert house.log.types() == ["person.signed_in"]

    asyncio.run(scenario())


def test_a_failed_sign_in_changes_nothing(house: House) -> None:
    """With a wrong token or code the session that was there lives on."""

    async def scenario() -> None:
        session = await house.session("alice")
        assert await house.door.open_with_token("csp_" + "A" * 43, session) is None
        assert await house.door.open_with_code("csc_" + "A" * 43, session) is None
        assert await house.door.with_session(session) is not None

    asyncio.run(scenario())


def test_a_cookie_under_another_name_is_nothing(house: House) -> None:
    """Only our own cookie is read."""

    async def scenario() -> None:
        async with house.client(cookie=f"session={await house.session('alice')}", origin=ORIGIN) as client:
            assert (await client.get("/v1/holds")).status_code == 401

    asyncio.run(scenario())
