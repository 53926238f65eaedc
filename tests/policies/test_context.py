"""The circumstances of a call, in Cedar's form."""

from dataclasses import replace

import pytest

from policies.context import FIELDS, circumstances, context, fields
from policies.model import DatasetUse, Inquiry
from tests.fakes.starter_catalogue import CRM, REFUND_CALL

REFUND_TOOL = CRM.tools[1]


def values(inquiry: Inquiry, tool: object = REFUND_TOOL) -> dict:
    return context(circumstances(inquiry, CRM, tool), fields(None))


def test_a_call_has_all_its_circumstances() -> None:
    """Every attribute has a value, with the types that the schema says."""
    delegated = replace(
        REFUND_CALL,
        on_behalf_of="alice",
        chain=("human:alice", "agent:planner", "agent:support-bot"),
        chain_verified=True,
        auth_time=int(REFUND_CALL.now) - 60,
        acr="gold",
        amr=("pwd", "otp"),
        datasets=(DatasetUse("customers", "read"),),
        task="t1",
        task_labels=("pii",),
        now=REFUND_CALL.now + 0.25,
    )
    assert values(delegated) == {
        "agent": {"__entity": {"type": "Agent", "id": "support-bot"}},
        "on_behalf_of": {"__entity": {"type": "Person", "id": "alice"}},
        "chain": ["human:alice", "agent:planner", "agent:support-bot"],
        "chain_depth": 2,
        "chain_complete": True,
        "chain_verified": True,
        "auth_age": 60,
        "acr": "gold",
        "amr": ["pwd", "otp"],
        "task": "t1",
        "task_labels": ["pii"],
        "service": {"__entity": {"type": "Service", "id": "crm"}},
        "destination_class": "internal",
        "tool": "create_refund",
        "effect": "pay",
        "tool_labels": [],
        "datasets": [{"__entity": {"type": "Dataset", "id": "customers"}}],
        "protocol": "rest",
        "host": "api.crm.example",
        "path": "/v1/refunds",
        "method": "POST",
        "lifecycle": False,
        "now": {"__extn": {"fn": "datetime", "arg": "2026-07-02T12:00:00.250Z"}},
        "hour": 12,
        "weekday": 4,
    }


def test_only_an_optional_attribute_may_be_absent() -> None:
    """A call for nobody, by no tool, without a chain: all required attributes are still there."""
    found = values(replace(REFUND_CALL, chain=()), None)
    assert set(FIELDS) - set(found) == {"on_behalf_of", "auth_age"}
    assert (found["acr"], found["amr"]) == ("", [])
    assert (found["tool"], found["effect"], found["chain_depth"]) == ("", "unknown", 0)


@pytest.mark.parametrize(
    ("now", "hour", "weekday"),
    [(0.0, 0, 4), (REFUND_CALL.now + 4 * 86400 - 1, 11, 1), (REFUND_CALL.now + 3 * 86400, 12, 7)],
)
def test_hours_and_weekdays_are_utc(now: float, hour: int, weekday: int) -> None:
    """Monday is 1, Sunday is 7."""
    found = values(replace(REFUND_CALL, now=now))
    assert (found["hour"], found["weekday"]) == (hour, weekday)


def test_only_what_is_wanted_is_read() -> None:
    """Values that no policy of the slice reads are never made."""
    wanted = fields(frozenset({"hour", "task", "unknown"}))
    assert context(circumstances(REFUND_CALL, CRM, None), wanted) == {"task": "", "hour": 12}
