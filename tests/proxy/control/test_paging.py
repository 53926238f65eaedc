"""Lists in pieces over the API."""

import asyncio

import pytest

from tests.fakes.control_house import House


def test_handles_come_in_pieces(house: House) -> None:
    """The newest first, never more than asked for, each once; the last piece has no next."""

    async def scenario() -> None:
        made = []
        for n in range(5):
            _, row = await house.handles.issue(
                agent="support-bot" if n % 2 else "builder", purpose="", ttl=60, issued_by="t", now=house.now + n // 2
            )
            made.append(row)
        made.sort(key=lambda row: (row.issued_at, row.id), reverse=True)
        async with house.operator() as client:
            seen, place = [], ""
            while True:
                answer = (await client.get(f"/v1/handles?limit=2{place}")).json()
                seen += [row["id"] for row in answer["handles"]]
                if "next" not in answer:
                    break
                place = f"&after={answer['next']}"
        assert seen == [row.id for row in made]

    asyncio.run(scenario())


def test_a_piece_holds_what_the_caller_may_see(house: House) -> None:
    """However many newer handles there are of others, an owner's first piece has their own."""

    async def scenario() -> None:
        _, own = await house.handles.issue(agent="support-bot", purpose="", ttl=60, issued_by="t", now=house.now)
        for n in range(3):
            await house.handles.issue(agent="builder", purpose="", ttl=60, issued_by="t", now=house.now + n)
        async with await house.person("alice") as client:
            answer = (await client.get("/v1/handles?limit=2")).json()
            assert [row["id"] for row in answer["handles"]] == [own.id]
            assert (await client.get("/v1/handles?agent=builder")).json() == {"handles": []}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "limit_out_of_range"), ("limit=1001", "limit_out_of_range"), ("limit=-1", "limit_out_of_range"),
        ("limit=", "limit_out_of_range"), ("limit=x", "limit_out_of_range"), ("limit=%C2%B2", "limit_out_of_range"),
        ("after=x", "after_invalid"), ("after=", "after_invalid"), ("after=nan~a", "after_invalid"),
        ("after=1.0~", "after_invalid"), ("after=1e999~a", "after_invalid"),
    ],
)  # fmt: skip
def test_an_odd_piece_is_a_mistake(house: House, query: str, code: str) -> None:
    """Refused in words, and never answered with a guess."""

    async def scenario() -> None:
        async with house.operator() as client:
            answer = await client.get(f"/v1/handles?{query}")
            assert (answer.status_code, answer.json()["code"]) == (422, code)

    asyncio.run(scenario())
