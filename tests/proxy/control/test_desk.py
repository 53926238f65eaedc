"""A desk is one caller's, whole; and all that is done at it leaves a record of a known shape."""

import asyncio

from telemetry.record import CANONICAL_FORM, RECORD_TYPES, VERSION, validate
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


def test_every_act_leaves_a_record_that_the_log_knows(house: House) -> None:
    """Each act of an operator and a person writes one record, of a type and shape that verification accepts."""

    async def scenario() -> None:
        view = await house.hold()
        house.log.records.clear()
        async with house.operator() as client:
            made = (await client.post("/v1/handles", json={"agent": "support-bot"})).json()
            await client.post(f"/v1/handles/{made['id']}/revoke", json={"reason": "x"})
            await client.post("/v1/revocations", json={"scope": "agent:builder", "reason": "x"})
            await client.request("DELETE", "/v1/revocations?scope=agent:builder", json={"reason": "x"})
            await client.post("/v1/people/bob/tokens", json={})
            await client.post("/v1/people/bob/sign-in-links", json={})
            await client.post("/v1/people/bob/sign-out", json={"reason": "x"})
        await house.door.open_with_token(await house.token("alice"), "")
        async with await house.person("alice") as client:
            body = {"action_digest": view.action_digest, "row_version": view.row_version, "reason": "x"}
            await client.post(f"/v1/holds/{view.id}/approve", json=body)
        ours = [record for record in house.log.records if "change" in record]
        assert [record["type"] for record in ours] == [
            "handle.issued",
            "revocation.put",
            "revocation.put",
            "revocation.lifted",
            "person.token_issued",
            "person.link_issued",
            "person.signed_out",
            "person.signed_in",
            "approval.vote_received",
        ]
        for record in ours:
            assert record["type"] in RECORD_TYPES
            validate({**record, "v": VERSION, "canon": CANONICAL_FORM})

    asyncio.run(scenario())
