"""The shapes that programs read."""

import asyncio

import pytest

from proxy.control import events
from tests.fakes.control_house import House
from tests.fakes.waiting import PATIENCE


def test_a_hold_is_told_whole(house: House) -> None:
    """Everything that the console shows is in the answer, with times as numbers."""

    async def scenario() -> None:
        view = await house.hold()
        async with await house.person("alice") as client:
            answer = (await client.get(f"/v1/holds/{view.id}")).json()
        assert answer["effect"].startswith("payments/refund: amount = 450")
        assert (answer["decide_by"], answer["approval_status"]) == (view.decide_by, "pending")
        assert answer["card"]["arguments"] == {"amount": 450, "currency": "EUR", "customer": "c_8812"}
        assert answer["may_decide"] == ["alice"]

    asyncio.run(scenario())


def test_the_status_is_told_to_those_who_are_in(house: House) -> None:
    """A person and the operator get it."""

    async def scenario() -> None:
        for client in (await house.person("frank"), house.operator()):
            async with client:
                assert (await client.get("/v1/status")).json() == {"mode": "enforce", "policy_version": "sha256:1"}

    asyncio.run(scenario())


def test_the_events_end_with_the_callers_proof(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream whose person has been signed out everywhere is closed at its next sign of life."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)

    async def scenario() -> None:
        async with await house.person("alice") as client, asyncio.timeout(PATIENCE):
            asked = asyncio.create_task(client.get("/v1/events"))
            while house.feed._listeners == 0:  # noqa: ASYNC110 - nobody is told when a listener comes
                await asyncio.sleep(0)
            await house.people.revoke_all("alice", house.now)
            answer = await asked
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert house.feed._listeners == 0

    asyncio.run(scenario())


def test_the_events_are_those_that_the_caller_may_see_now(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor who leaves the team hears nothing more on the stream that they opened before."""
    monkeypatch.setattr(events, "HEARTBEAT", 0.01)
    monkeypatch.setattr(events, "LOOK_EVERY", 0.0)

    async def scenario() -> None:
        async with await house.person("carol") as client, asyncio.timeout(PATIENCE):
            asked = asyncio.create_task(client.get("/v1/events"))
            while house.feed._looking is None:  # noqa: ASYNC110 - nobody is told when a listener comes
                await asyncio.sleep(0)
            people = house.facts.people
            left = people["carol"].model_copy(update={"teams": ()})
            house.facts = house.facts.model_copy(update={"people": {**people, "carol": left}})
            await house.tell_calls()
            while house.feed._number == 0:  # noqa: ASYNC110 - nobody is told when something is told
                await asyncio.sleep(0)
            await house.people.revoke_all("carol", house.now)
            answer = await asked
        assert "call.changed" not in answer.text

    asyncio.run(scenario())
