"""What happened, for those who may know."""

import asyncio

import pytest

from tests.fakes.control_house import House, call_record


def test_people_see_the_calls_of_their_agents(house: House) -> None:
    """An owner sees theirs, an auditor and the operator all; a stranger none."""

    async def scenario() -> None:
        await house.tell_calls()
        seen = {}
        for name, client in (
            ("alice", await house.person("alice")),
            ("bob", await house.person("bob")),
            ("carol", await house.person("carol")),
            ("frank", await house.person("frank")),
            ("operator", house.operator()),
        ):
            async with client:
                seen[name] = sorted(story["call"] for story in (await client.get("/v1/calls")).json()["calls"])
        assert seen == {
            "alice": ["call_1", "call_2"],
            "bob": ["call_3"],
            "carol": ["call_1", "call_2", "call_3"],
            "frank": [],
            "operator": ["call_1", "call_2", "call_3"],
        }

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ("agent=builder", ["call_3"]),
        ("outcome=refused", ["call_2"]),
        ("outcome=served&agent=support-bot", ["call_1"]),
        ("task=none", []),
        ("principal=frank", ["call_2", "call_3", "call_1"]),
        ("principal=frank&agent=builder", ["call_3"]),
        ("principal=human:frank", []),
        ("principal=alice", []),
        ("limit=1", ["call_2"]),
    ],
)
def test_calls_are_filtered(house: House, query: str, calls: list[str]) -> None:
    """By agent, by how they ended, by task, by whom they were made for; the latest first."""

    async def scenario() -> None:
        await house.tell_calls()
        async with house.operator() as client:
            answer = await client.get(f"/v1/calls?{query}")
        assert [story["call"] for story in answer.json()["calls"]] == calls

    asyncio.run(scenario())


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=99999", "outcome=fine"])
def test_an_odd_filter_is_a_mistake(house: House, query: str) -> None:
    """What cannot be asked is refused, not ignored."""

    async def scenario() -> None:
        async with house.operator() as client:
            assert (await client.get(f"/v1/calls?{query}")).status_code == 422

    asyncio.run(scenario())


def test_one_call_is_told_with_its_records(house: House) -> None:
    """Its owner gets the story and the records; to others it does not exist."""

    async def scenario() -> None:
        await house.tell_calls()
        async with await house.person("alice") as client:
            answer = (await client.get("/v1/calls/call_1")).json()
            assert answer["story"]["status"] == 200
            assert answer["story"]["chain"] == ["human:frank", "agent:support-bot"]
            assert [record["type"] for record in answer["records"]] == ["call.decided", "call.completed"]
            for other in ("call_3", "call_9"):
                denied = await client.get(f"/v1/calls/{other}")
                assert (denied.status_code, denied.json()["code"]) == (404, "call_unknown")

    asyncio.run(scenario())


def test_a_call_of_nobody_known_is_for_auditors(house: House) -> None:
    """A refusal before anyone was identified is shown to auditors and the operator only."""

    async def scenario() -> None:
        await house.log.append({"type": "identity.refused", "call": "call_x", "error": {"reason": "identity_missing"}})
        for person, status in (("alice", 404), ("carol", 200)):
            async with await house.person(person) as client:
                assert (await client.get("/v1/calls/call_x")).status_code == status

    asyncio.run(scenario())


def test_calls_are_read_page_by_page(house: House) -> None:
    """`older` is the `before` of the next page; the filter holds on each, and the last says that it is the last."""

    async def scenario() -> None:
        for number in range(5):
            for agent, owner in (("support-bot", "alice"), ("builder", "bob")):
                await house.log.append(call_record("call.refused", f"{agent}-{number}", agent, owner))
        for query, name in (("", "carol"), ("&agent=builder", "carol"), ("", "bob")):
            async with await house.person(name) as client:
                seen: list[str] = []
                before = ""
                while True:
                    said = (await client.get(f"/v1/calls?limit=2{query}{before}")).json()
                    seen += [story["call"] for story in said["calls"]]
                    assert len(said["calls"]) <= 2
                    if not said["older"]:
                        break
                    before = f"&before={said['older']}"
            wanted = [f"{one}-{n}" for n in reversed(range(5)) for one in ("builder", "support-bot")]
            only = "builder" if query or name == "bob" else ""
            assert seen == [call for call in wanted if call.startswith(only)]

    asyncio.run(scenario())


@pytest.mark.parametrize("before", ["x", "-1", "1,2", "1-", "9" * 16, "1%202", "../1"])
def test_a_place_that_is_none_is_a_mistake(house: House, before: str) -> None:
    """422, and no list that begins somewhere else."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await client.get(f"/v1/calls?before={before}")
            assert (answer.status_code, answer.json()["code"]) == (422, "place_unknown")

    asyncio.run(scenario())


def test_a_page_that_searched_far_says_where_to_go_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few matches, or none, in a part of the log, what is older can still be asked for."""
    monkeypatch.setattr("proxy.control.call_reading.WINDOW", 2)
    monkeypatch.setattr("proxy.control.call_reading.MOST_WINDOWS", 2)

    async def scenario() -> None:
        await house.log.append(call_record("call.refused", "first", "support-bot", "alice"))
        for number in range(6):
            await house.log.append(call_record("call.refused", f"other-{number}", "builder", "bob"))
        async with await house.person("alice") as client:
            said = (await client.get("/v1/calls")).json()
            assert said["calls"] == []
            asked = 0
            while not said["calls"] and said["older"] and asked < 9:
                said = (await client.get(f"/v1/calls?before={said['older']}")).json()
                asked += 1
            assert [story["call"] for story in said["calls"]] == ["first"]

    asyncio.run(scenario())
