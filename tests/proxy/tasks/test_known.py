"""What a task declares must be there."""

import pytest

from proxy.facts import Dataset, Inventory, Service, Tool
from proxy.tasks.budget import Budget, Spend
from proxy.tasks.known import require_known
from proxy.tasks.mistakes import TaskMistake

FACTS = Inventory(
    version="1", people={}, teams={}, agents={}, datasets={"ledger": Dataset(id="ledger", owner="bob")},
    services={
        "payments": Service(id="payments", owner="bob", url="https://payments.example", tools=(Tool(name="refund"),)),
        "notes": Service(id="notes", owner="bob", url="https://notes.example", protocol="mcp"),
        "wiki": Service(id="wiki", owner="bob", url="https://wiki.example", openapi="wiki.yaml"),
    },
)  # fmt: skip


@pytest.mark.parametrize(
    "tools", [("payments/refund",), ("payments/*", "notes/*"), ("notes/resources/read",), ("wiki/anything",)]
)
def test_what_is_there_may_be_declared(tools: tuple[str, ...]) -> None:
    """By name, or all of a service; tools of an OpenAPI document and those built into MCP are not listed."""
    limits = Budget(spend=(Spend("payments/refund", "amount", 1),))
    require_known(tools, ("read:ledger", "write:ledger"), limits, FACTS)


@pytest.mark.parametrize(
    ("tools", "datasets", "limited", "code"),
    [
        (("bank/pay",), (), "payments/refund", "service_unknown"),
        (("bank/*",), (), "payments/refund", "service_unknown"),
        (("payments/refnd",), (), "payments/refund", "tool_unknown"),
        (("payments/Refund",), (), "payments/refund", "tool_unknown"),
        (("notes/serch",), (), "payments/refund", "tool_unknown"),
        (("payments/*",), (), "payments/refnd", "tool_unknown"),
        (("payments/*",), (), "paymnts/refund", "service_unknown"),
        (("payments/*",), ("read:ledgers",), "payments/refund", "dataset_unknown"),
    ],
)
def test_what_is_misspelt_is_told(tools: tuple[str, ...], datasets: tuple[str, ...], limited: str, code: str) -> None:
    """It would permit nothing; and a limit on it, beside all tools of its service, would limit nothing."""
    with pytest.raises(TaskMistake) as caught:
        require_known(tools, datasets, Budget(spend=(Spend(limited, "amount", 1),)), FACTS)
    assert caught.value.code == code
