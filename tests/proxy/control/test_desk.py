"""A desk is one caller's, whole."""

import asyncio

from tests.fakes.control_house import House


def test_everything_on_a_desk_is_the_same_callers(house: House) -> None:
    """What Alice's desk shows and refuses is Alice's, on every part of it."""

    async def scenario() -> None:
        await house.tell_calls()
        await house.hold()
        alice = await house.door.with_session(await house.session("alice"))
        bob = await house.door.with_session(await house.session("bob"))
        assert alice is not None
        assert bob is not None
        assert alice.caller.name == "person:alice"
        counts = [
            (len(await desk.sign_off.list()), len(await desk.calls.recent()), len(desk.agents.list()))
            for desk in (alice, bob)
        ]
        assert counts == [(1, 2, 1), (0, 1, 1)]
        assert (await alice.status())["mode"] == "enforce"

    asyncio.run(scenario())
