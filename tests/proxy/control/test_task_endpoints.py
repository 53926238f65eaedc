"""The shapes that the routes of tasks read and show."""

import asyncio
from typing import Any

import pytest

from proxy.control.task_endpoints import task_json
from proxy.tasks.budget import UNIT, Budget, Spend
from tests.fakes.control_house import House
from tests.fakes.tasks import task


def test_a_task_is_shown_with_what_it_has_used() -> None:
    """Amounts as people write them, the chain with how each hop was proven, and no digest of evidence."""
    budget = Budget(calls=3, spend=(Spend("payments/refund", "amount", 12_500_000),))
    shown = task_json(task(budget=budget), {"calls": 1, "payments/refund:amount": 2 * UNIT})
    assert shown["budget"] == {
        "calls": 3,
        "calls_used": 1,
        "spend": [{"tool": "payments/refund", "argument": "amount", "limit": 12.5, "used": 2.0}],
    }
    assert shown["chain"][0]["level"] == "verified"
    assert "sha256" not in repr(shown)


@pytest.mark.parametrize("limit", [12.5, "12.5", 12])
def test_a_limit_is_a_number_or_digits(house: House, limit: Any) -> None:
    """Both are counted exactly."""

    async def scenario() -> None:
        spend = [{"tool": "payments/refund", "argument": "amount", "limit": limit}]
        body = {"agent": "support-bot", "purpose": "x", "tools": ["payments/refund"], "budget": {"spend": spend}}
        async with house.operator() as client:
            shown = (await client.post("/v1/tasks", json=body)).json()
        assert shown["budget"]["spend"][0]["limit"] == float(limit)

    asyncio.run(scenario())


@pytest.mark.parametrize("limit", [-1, "much", "1e3", True, None, [1]])
def test_what_is_no_limit_is_refused(house: House, limit: Any) -> None:
    """An odd limit is never no limit."""

    async def scenario() -> None:
        spend = [{"tool": "payments/refund", "argument": "amount", "limit": limit}]
        body = {"agent": "support-bot", "purpose": "x", "tools": ["payments/refund"], "budget": {"spend": spend}}
        async with house.operator() as client:
            answer = await client.post("/v1/tasks", json=body)
        assert (answer.status_code, answer.json()["code"]) in {(422, "budget_invalid"), (422, "body_invalid")}
        assert await house.tasks.list() == []

    asyncio.run(scenario())
