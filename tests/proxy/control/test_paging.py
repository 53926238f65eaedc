"""Lists in pieces over the API."""

import asyncio
from urllib.parse import quote

import httpx
import pytest

from proxy.control import ending
from proxy.tasks.interfaces import RevocationKind
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


async def revocations_in_pieces(client: httpx.AsyncClient, query: str) -> list[list[tuple[str, str]]]:
    pieces: list[list[tuple[str, str]]] = []
    place = ""
    while True:
        answer = (await client.get(f"/v1/revocations?{query}{place}")).json()
        pieces.append([(row["scope"], row["kind"]) for row in answer["revocations"]])
        if "next" not in answer:
            return pieces
        place = f"&after={quote(answer['next'], safe='')}"


def test_revocations_come_in_pieces(house: House) -> None:
    """The latest first, each once, whatever stands in a scope; with those that are over, or without, where asked."""

    async def scenario() -> None:
        made: list[tuple[str, RevocationKind]] = [
            ("agent:builder", "revoke"), ("principal:https://idp|a~b:c&d", "revoke"), ("handle:h", "revoke"),
            ("handle:h", "freeze"), ("agent:builder", "freeze"),
        ]  # fmt: skip
        for n, (scope, kind) in enumerate(made):
            await house.revocations.revoke(scope, "operator:uid=0", "x", house.now + n // 2, kind=kind)
        async with house.operator() as client:
            pieces = await revocations_in_pieces(client, "limit=2")
            assert [len(piece) for piece in pieces] == [2, 2, 1]
            assert sorted(row for piece in pieces for row in piece) == sorted(made)
            assert pieces[0][0] == ("agent:builder", "freeze")
            assert await revocations_in_pieces(client, "over=true") == [[("handle:h", "revoke")]]
            assert len((await revocations_in_pieces(client, "over=false&limit=4"))[0]) == 4

    asyncio.run(scenario())


def test_an_owner_s_pieces_hold_what_is_theirs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much of others there is: of that so many rows are looked at for one piece, which may then be empty."""
    monkeypatch.setattr(ending, "_MOST_LOOKED_AT", 3)

    async def scenario() -> None:
        await house.revocations.revoke("agent:support-bot", "operator:uid=0", "x", house.now)
        for n in range(7):
            await house.revocations.revoke(f"handle:hnd_{n}", "operator:uid=0", "x", house.now + 1)
            await house.revocations.revoke(f"principal:https://idp|{n}", "operator:uid=0", "x", house.now + 1)
        async with await house.person("alice") as client:
            pieces = await revocations_in_pieces(client, "limit=1")
            assert [row for piece in pieces for row in piece] == [("agent:support-bot", "revoke")]
            assert len(pieces) == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("query", ["after=1.0~agent", "after=x", "after=nan~revoke:agent:a", "limit=0", "over=yes"])
def test_an_odd_piece_of_revocations_is_a_mistake(house: House, query: str) -> None:
    """Refused in words."""

    async def scenario() -> None:
        async with house.operator() as client:
            assert (await client.get(f"/v1/revocations?{query}")).status_code == 422

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
