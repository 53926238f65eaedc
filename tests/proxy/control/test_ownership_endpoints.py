"""Reviews for programs: every field, and bodies that are read strictly."""

import asyncio

import pytest

from proxy.control.ownership_endpoints import orphan_json
from proxy.inventory.orphans import Orphan
from tests.fakes.control_house import House


def test_a_review_has_all_that_a_program_needs(house: House) -> None:
    """What, who, when, the facts, the digest to send back, and what this caller may do."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            (item,) = (await client.get("/v1/reviews?all=true")).json()["reviews"]
            assert (await client.get("/v1/reviews")).json()["reviews"] == []
        assert item.keys() == {
            "what", "owner", "due", "days", "overdue", "standing", "detail", "facts", "last", "changed_since", "digest",
            "may_attest", "may_end", "answers",
        }  # fmt: skip
        assert (item["what"], item["owner"], item["due"], item["last"]) == (
            "agent:support-bot", "alice", "2099-01-01", None,
        )  # fmt: skip

    asyncio.run(scenario())


def test_an_orphan_for_programs() -> None:
    """What follows is said in words."""
    assert orphan_json(Orphan("agent:a", "left", "eve")) == {
        "what": "agent:a", "owner": "left", "deputy": "eve", "follows": "`eve` answers for it meanwhile",
    }  # fmt: skip


@pytest.mark.parametrize(
    "body", [{}, {"digest": "x"}, {"note": "x"}, {"digest": 7, "note": "x"}, {"digest": "x", "note": "x", "more": 1}]
)
def test_a_body_that_is_not_exactly_right_attests_nothing(house: House, body: dict[str, object]) -> None:
    """Missing, mistyped and unknown fields are named."""

    async def scenario() -> None:
        async with await house.person("alice") as client:
            answer = await client.post("/v1/reviews/agent:support-bot/attest", json=body)
            assert (answer.status_code, answer.json()["code"]) == (422, "body_invalid")
            assert (await client.get("/v1/reviews?all=yes")).status_code == 422
        assert house.log.records == []

    asyncio.run(scenario())
