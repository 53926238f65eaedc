"""A clock that ran ahead is put right: what was issued meanwhile bears a time that is yet to come, and can be ended."""

from pathlib import Path

import pytest

from tests.fakes.world import World, arrived, get, problem, run

AHEAD = 30.0


@pytest.mark.parametrize("kind", ["handle", "principal", "agent", "global"])
def test_what_was_issued_while_the_clock_ran_ahead_is_ended(tmp_path: Path, kind: str) -> None:
    """Its stream is cut, and the next call on its connection is refused."""

    async def scenario(house: World) -> None:
        given = await house.evidence()
        released = await house.released(get(), evidence=given)
        house.clock.now -= AHEAD
        await house.hear()
        handle = (await house.handles.list())[0].id
        name = {"handle": f":{handle}", "principal": ":alice", "agent": ":support-bot", "global": ""}[kind]
        await house.revocations.revoke(f"{kind}{name}", "operator:uid=0", "stolen", house.clock())
        await house.hear()
        assert house.pipeline.still_allowed("conn_1", released) == f"{kind}_revoked"
        assert problem(await house.pipeline.admit_call(arrived(get()), None))["reason"] == f"{kind}_revoked"

    run(tmp_path, scenario)


def test_once_the_clock_has_caught_up_a_person_may_show_themselves_anew(tmp_path: Path) -> None:
    """What is issued after the end, by a clock that is right, lives."""

    async def scenario(house: World) -> None:
        await house.evidence()
        house.clock.now -= AHEAD
        await house.hear()
        await house.revocations.revoke("principal:alice", "operator:uid=0", "signed out", house.clock())
        house.clock.now += AHEAD + 1
        await house.hear()
        await house.released(get(), evidence=await house.evidence())

    run(tmp_path, scenario)
