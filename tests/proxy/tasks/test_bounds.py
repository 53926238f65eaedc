"""What a task declares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import DatasetUse
from proxy.tasks.bounds import (
    MOST,
    checked_datasets,
    checked_tools,
    covers_tool,
    names_tool,
    touches_service,
    undeclared_dataset,
    within,
)
from proxy.tasks.mistakes import TaskMistake

NAMES = st.sampled_from(["crm/find", "crm/*", "pay/refund", "pay/*", "crm/resources/read"])


def test_tools_and_datasets_are_kept_sorted_and_once() -> None:
    """The same declaration in another order is the same declaration."""
    assert checked_tools(["pay/refund", "crm/*", "pay/refund"]) == ("crm/*", "pay/refund")
    assert checked_datasets(["write:b", "read:a"]) == ("read:a", "write:b")


@pytest.mark.parametrize("tool", ["*", "*/*", "crm", "crm/", "/find", "CRM/find", "crm/*x", "crm/a b", "crm/a\n", ""])
def test_what_is_no_tool_is_refused(tool: str) -> None:
    """There is no way to declare everything, and no tool without its service."""
    with pytest.raises(TaskMistake) as caught:
        checked_tools([tool])
    assert caught.value.code == "tools_invalid"


@pytest.mark.parametrize("dataset", ["customers", "read:", "*", "read:*", "delete:customers", "read:Customers", ""])
def test_what_is_no_dataset_is_refused(dataset: str) -> None:
    """A dataset is declared with the access that is needed, one by one."""
    with pytest.raises(TaskMistake):
        checked_datasets([dataset])


@pytest.mark.parametrize(
    ("one", "named"),
    [("crm/find", True), ("pay/refund", True), ("pay/*", False), ("crm/edit", False), ("pay", False), ("Pay/x", False)],
)
def test_a_single_tool_is_named_by_its_service_and_name(one: str, named: bool) -> None:
    """All tools of a service are no single one, and what was not declared is none of them."""
    assert names_tool(one, ("crm/find", "pay/*")) is named


def test_there_is_a_most() -> None:
    """A declaration that nobody can read is none."""
    with pytest.raises(TaskMistake):
        checked_tools(f"crm/t{n}" for n in range(MOST + 1))


@pytest.mark.parametrize(
    ("declared", "service", "tool", "covered"),
    [
        (("crm/find",), "crm", "find", True),
        (("crm/*",), "crm", "find", True),
        (("crm/*",), "crm", None, True),
        (("crm/find",), "crm", None, False),
        (("crm/None",), "crm", None, False),
        (("crm/find",), "crm", "find_all", False),
        (("crm/find",), "crm2", "find", False),
        (("crm/*",), "crm2", "find", False),
        (("crm/resources/read",), "crm", "resources/read", True),
        ((), "crm", "find", False),
    ],
)
def test_a_tool_is_covered_only_if_declared(declared: tuple[str, ...], service: str, tool: str, covered: bool) -> None:
    """By its name or with its whole service; a call that is no tool needs the whole service."""
    assert covers_tool(declared, service, tool) is covered


def test_housekeeping_belongs_to_every_service_of_the_task() -> None:
    """Whoever may use a tool may list tools; towards other services not even that."""
    assert touches_service(("crm/find",), "crm")
    assert not touches_service(("crm/find",), "cr")
    assert not touches_service((), "crm")


def test_reading_does_not_mean_writing() -> None:
    """Each access is declared by itself; the first that was not is named."""
    declared = ("read:customers", "write:ledger")
    assert undeclared_dataset(declared, [DatasetUse("customers", "read")]) is None
    assert undeclared_dataset(declared, [DatasetUse("ledger", "read")]) == "read:ledger"
    assert undeclared_dataset((), [DatasetUse("customers", "read")]) == "read:customers"
    assert undeclared_dataset((), []) is None


@given(st.lists(NAMES), st.lists(NAMES), st.sampled_from(["crm", "pay"]), st.sampled_from(["find", "refund", None]))
def test_what_lies_within_covers_no_more(inner: list[str], outer: list[str], service: str, tool: str | None) -> None:
    """If one declaration lies within another, no call is covered by the first alone."""
    if within(inner, outer) is None and covers_tool(inner, service, tool):
        assert covers_tool(outer, service, tool)
