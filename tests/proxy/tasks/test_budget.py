"""How much a task may do."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.tasks.budget import MOST, UNIT, Budget, Spend, amount_at, millionths
from proxy.tasks.mistakes import TaskMistake


@pytest.mark.parametrize(
    ("value", "counted"),
    [
        (0, 0),
        (450, 450 * UNIT),
        (12.99, 12_990_000),
        (0.1, 100_000),
        (1e-9, 1),
        ("12.99", 12_990_000),
        (MOST, MOST * UNIT),
    ],
)
def test_an_amount_is_counted_exactly_or_rounded_up(value: Any, counted: int) -> None:
    """Never a fraction too little."""
    assert millionths(value) == counted


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        [],
        {},
        [5],
        "",
        " 5",
        "five",
        "1_000",
        "1e3",
        "٣",
        "-5",
        -5,
        -0.01,
        float("nan"),
        float("inf"),
        10**13,
    ],
)
def test_what_is_no_plain_amount_is_not_counted(value: Any) -> None:
    """Negative amounts would win room back; text that readers take differently would count wrong."""
    with pytest.raises(ValueError, match="amount"):
        millionths(value)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_any_value_is_an_amount_or_refused(value: Any) -> None:
    """A number from zero up, or a ValueError; never anything else."""
    with contextlib.suppress(ValueError):
        assert 0 <= millionths(value) <= MOST * UNIT


def test_the_amount_is_found_at_its_path() -> None:
    """In nested arguments too; a path that leads nowhere, or through a list, is no amount."""
    assert amount_at({"order": {"total": 5}}, "order.total") == 5 * UNIT
    for arguments in ({}, {"order": 5}, {"order": [{"total": 5}]}, {"order.total": 5}):
        with pytest.raises(ValueError, match="amount"):
            amount_at(arguments, "order.total")


def test_a_call_costs_what_is_counted() -> None:
    """One call, and the amount of the tool that is limited; of other tools nothing."""
    budget = Budget(calls=3, spend=(Spend("pay/refund", "amount", 100 * UNIT),))
    assert dict(budget.costs("pay/refund", {"amount": 2})) == {"calls": 1, "pay/refund:amount": 2 * UNIT}
    assert dict(budget.costs("crm/find", {})) == {"calls": 1}
    assert dict(budget.costs(None, {})) == {"calls": 1}
    assert dict(Budget().costs("pay/refund", {})) == {}
    assert budget.limits() == {"calls": 3, "pay/refund:amount": 100 * UNIT}


def test_a_part_promises_no_more_than_the_whole() -> None:
    """Fewer calls, smaller amounts, or nothing said: then the whole counts. Other amounts are its own matter."""
    whole = Budget(calls=5, spend=(Spend("pay/refund", "amount", 100 * UNIT),))
    for part in (Budget(), whole, Budget(calls=4), Budget(spend=(Spend("pay/other", "amount", 999 * UNIT),))):
        part.require_within(whole)
        part.require_within(Budget())
    for more in (Budget(calls=6), Budget(spend=(Spend("pay/refund", "amount", 100 * UNIT + 1),))):
        with pytest.raises(TaskMistake) as caught:
            more.require_within(whole)
        assert caught.value.code == "widens_budget"


def test_what_a_part_does_not_say_is_what_the_whole_says() -> None:
    """Its own limits stay; where it has none, those above it are its own."""
    whole = Budget(calls=5, spend=(Spend("pay/refund", "amount", 100),))
    assert Budget().under(whole) == whole
    own = Spend("pay/refund", "amount", 7)
    assert Budget(calls=2, spend=(own,)).under(whole) == Budget(calls=2, spend=(own,))
    assert Budget(calls=2, spend=(own,)).under(Budget()) == Budget(calls=2, spend=(own,))


@pytest.mark.parametrize(
    "budget",
    [
        Budget(calls=-1),
        Budget(calls=MOST + 1),
        Budget(spend=(Spend("pay/refund", "amount", -1),)),
        Budget(spend=(Spend("pay/refund", "amount", MOST * UNIT + 1),)),
        Budget(spend=(Spend("pay/refund", "", 1),)),
        Budget(spend=(Spend("pay/refund", "a..b", 1),)),
        Budget(spend=(Spend("pay/refund", "a", 1), Spend("pay/refund", "a", 2))),
    ],
)
def test_a_budget_that_cannot_be_counted_is_refused(budget: Budget) -> None:
    """Out of range, nowhere, or twice."""
    with pytest.raises(TaskMistake) as caught:
        budget.require_sound(("pay/*",))
    assert caught.value.code == "budget_invalid"


@pytest.mark.parametrize("tool", ["pay/*", "pay/refnd", "crm/refund", "PAY/refund", "pay/refund ", "pay", "*", ""])
def test_a_limit_that_would_bind_no_call_is_refused(tool: str) -> None:
    """Of all tools at once, of one that the task does not have, or of none: whoever wrote it takes it for a limit."""
    with pytest.raises(TaskMistake, match="not one tool of the task"):
        Budget(spend=(Spend(tool, "amount", UNIT),)).require_sound(("pay/refund", "pay/find"))


@pytest.mark.parametrize("tools", [("pay/refund",), ("pay/*",), ("crm/find", "pay/*")])
def test_a_limit_is_of_one_tool_that_the_task_has(tools: tuple[str, ...]) -> None:
    """By its name, or with all of its service."""
    Budget(spend=(Spend("pay/refund", "amount", UNIT),)).require_sound(tools)
