"""Tokens, sign-in codes and sessions: what opens the door, and for how long."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.people import CODE_LIFE, SESSION_LIFE, Issued, PeopleService
from proxy.errors import Declined
from tests.fakes.control_house import House, inventory


def token(house: House, person: str = "alice", ttl: float = 3600) -> Issued:
    return asyncio.run(house.people.issue_token(person, ttl=ttl, by="test", now=house.now))


def test_a_token_proves_its_person_until_it_ends(house: House) -> None:
    """A token works from its first second to the last before its end, and is 32 random bytes."""

    async def scenario() -> None:
        issued = await house.people.issue_token("alice", ttl=60, by="test", now=house.now)
        assert issued.secret.startswith("csp_")
        assert len(issued.secret) == 47
        proof = await house.people.prove_token(issued.secret, house.now + 59)
        assert proof is not None
        assert proof.person.id == "alice"
        assert await house.people.prove_token(issued.secret, house.now + 60) is None
        assert await house.people.prove_token(issued.secret, house.now - 1) is None

    asyncio.run(scenario())


def test_only_the_digest_is_kept(house: House) -> None:
    """Neither the store's rows nor the text of an issued credential hold the secret."""

    async def scenario() -> None:
        issued = await house.people.issue_token("alice", ttl=60, by="test", now=house.now)
        rows = await house.store.list_credentials("alice")
        assert issued.secret not in repr(rows)
        assert issued.secret not in repr(issued)

    asyncio.run(scenario())


def test_one_kind_never_passes_for_another(house: House) -> None:
    """A session is no token, a code is no session, and a token opens no page by itself."""

    async def scenario() -> None:
        people, now = house.people, house.now
        made = await people.issue_token("alice", ttl=3600, by="test", now=now)
        session = await people.open_with_token(made.secret, now)
        code = await people.issue_sign_in_code("alice", by="test", now=now)
        assert session is not None
        swapped = "csp_" + session.secret[4:]
        for secret in (session.secret, code.secret, swapped):
            assert await people.prove_token(secret, now) is None
        for secret in (made.secret, code.secret, "css_" + made.secret[4:]):
            assert await people.prove_session(secret, now) is None
        for secret in (made.secret, session.secret):
            assert await people.open_with_code(secret, now) is None

    asyncio.run(scenario())


def test_a_sign_in_code_works_once_and_for_ten_minutes(house: House) -> None:
    """The second use, and the first after ten minutes, open nothing."""

    async def scenario() -> None:
        people, now = house.people, house.now
        code = await people.issue_sign_in_code("alice", by="test", now=now)
        late = await people.issue_sign_in_code("alice", by="test", now=now)
        assert await people.open_with_code(code.secret, now) is not None
        assert await people.open_with_code(code.secret, now) is None
        assert await people.open_with_code(late.secret, now + CODE_LIFE) is None

    asyncio.run(scenario())


def test_a_session_lives_eight_hours_and_never_longer_than_its_token(house: House) -> None:
    """A session from a short token ends with that token."""

    async def scenario() -> None:
        people, now = house.people, house.now
        for ttl, life in ((24 * 3600, SESSION_LIFE), (600, 600)):
            made = await people.issue_token("alice", ttl=ttl, by="test", now=now)
            session = await people.open_with_token(made.secret, now)
            assert session is not None
            assert session.not_after == now + life
            assert await people.prove_session(session.secret, now + life - 1) is not None
            assert await people.prove_session(session.secret, now + life) is None

    asyncio.run(scenario())


def test_who_leaves_loses_every_way_in_at_once(house: House) -> None:
    """A person who is no longer active, or gone from the inventory, is not proven by anything."""

    async def scenario() -> None:
        people, now = house.people, house.now
        made = await people.issue_token("alice", ttl=3600, by="test", now=now)
        session = await people.open_with_token(made.secret, now)
        code = await people.issue_sign_in_code("alice", by="test", now=now)
        assert session is not None
        gone = {name: person for name, person in house.facts.people.items() if name != "alice"}
        left = gone | {"alice": house.facts.people["alice"].model_copy(update={"active": False})}
        for known in (left, gone):
            house.facts = house.facts.model_copy(update={"people": known})
            assert await people.prove_token(made.secret, now) is None
            assert await people.prove_session(session.secret, now) is None
            assert await people.open_with_token(made.secret, now) is None
            with pytest.raises(Declined):
                await people.issue_token("alice", ttl=3600, by="test", now=now)
        assert await people.open_with_code(code.secret, now) is None

    asyncio.run(scenario())


def test_all_ways_in_can_be_ended(house: House) -> None:
    """After `revoke_all` no token, code or session of that person works, and nobody else's is touched."""

    async def scenario() -> None:
        people, now = house.people, house.now
        made = await people.issue_token("alice", ttl=3600, by="test", now=now)
        other = await people.issue_token("bob", ttl=3600, by="test", now=now)
        session = await people.open_with_token(made.secret, now)
        code = await people.issue_sign_in_code("alice", by="test", now=now)
        assert session is not None
        assert await people.revoke_all("alice", now) == 3
        assert await people.prove_token(made.secret, now) is None
        assert await people.prove_session(session.secret, now) is None
        assert await people.open_with_code(code.secret, now) is None
        assert await people.prove_token(other.secret, now) is not None

    asyncio.run(scenario())


def test_a_closed_session_has_ended(house: House) -> None:
    """Signing out ends the session in the store, not only in the browser."""

    async def scenario() -> None:
        session = await house.session("alice")
        await house.people.close_session(session, house.now)
        assert await house.people.prove_session(session, house.now) is None

    asyncio.run(scenario())


@pytest.mark.parametrize("ttl", [-1, 0, 59, 367 * 24 * 3600, float("nan"), float("inf")])
def test_a_token_has_a_sensible_life(house: House, ttl: float) -> None:
    """No token for ever, for less than a minute, or for a number that is none."""
    with pytest.raises(Declined) as caught:
        token(house, ttl=ttl)
    assert caught.value.code == "ttl_out_of_range"


class NoStore:
    """A store that must not be asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the store was asked for {name}")


@given(st.text(max_size=60).filter(lambda text: len(text) != 47))
def test_what_is_not_a_credential_never_reaches_the_store(text: str) -> None:
    """Any other text is refused by its form alone, without an exception."""
    people = PeopleService(NoStore(), inventory)

    async def scenario() -> None:
        assert await people.prove_token(text, 1.0) is None
        assert await people.prove_session(text, 1.0) is None
        assert await people.open_with_code(text, 1.0) is None

    asyncio.run(scenario())
