"""Attestations and people's states: durable, and in force when the call returns."""

import asyncio

import pytest

from proxy.errors import StoreUnavailable
from tests.conformance.ownership_store import attestation, state
from tests.fakes.control_house import House


def test_it_is_in_force_when_the_call_returns(house: House) -> None:
    """Attested, deactivated, and back: each is judged by at once; what somebody else was faster with is not stored."""

    async def scenario() -> None:
        own = house.ownership
        assert await own.attest(attestation("a1", "agent:support-bot"), "")
        assert house.facts.attestations["agent:support-bot"].id == "a1"
        assert not await own.attest(attestation("a2", "agent:support-bot"), "")
        assert [one.id for one in await own.history("agent:support-bot")] == ["a1"]
        await own.set_state(state("alice"))
        assert not house.facts.people["alice"].active
        assert await own.states("alice") == {"scim": False}
        await own.set_state(state("alice", active=True))
        assert house.facts.people["alice"].active

    asyncio.run(scenario())


def test_who_comes_back_signs_in_anew(house: House) -> None:
    """Tokens and sessions that were live when somebody was deactivated are dead for good."""

    async def scenario() -> None:
        token, cookie = await house.token("alice"), await house.session("alice")
        await house.ownership.set_state(state("alice"))
        await house.ownership.set_state(state("alice", active=True))
        assert await house.people.prove_token(token, house.now) is None
        assert await house.people.prove_session(cookie, house.now) is None

    asyncio.run(scenario())


def test_a_store_that_is_down_changes_nothing(house: House) -> None:
    """Neither is anything in force that is not durable."""

    async def scenario() -> None:
        house.store.close()
        with pytest.raises(StoreUnavailable):
            await house.ownership.set_state(state("alice"))
        assert house.facts.people["alice"].active

    asyncio.run(scenario())


def test_what_was_not_ended_when_somebody_left_is_ended_before_they_are_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store fails between the state and the tokens: they are dead all the same when the person is active again."""

    async def down(*_: object) -> int:
        raise StoreUnavailable("the store is down")

    async def scenario() -> None:
        token, cookie = await house.token("alice"), await house.session("alice")
        with monkeypatch.context() as broken:
            broken.setattr(house.people, "revoke_all", down)
            with pytest.raises(StoreUnavailable):
                await house.ownership.set_state(state("alice"))
        assert not house.facts.people["alice"].active
        await house.ownership.set_state(state("alice", active=True))
        assert house.facts.people["alice"].active
        assert await house.people.prove_token(token, house.now) is None
        assert await house.people.prove_session(cookie, house.now) is None

    asyncio.run(scenario())
