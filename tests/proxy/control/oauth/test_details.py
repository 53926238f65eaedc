"""What a task token is asked for."""

import json
from typing import Any

import pytest

from proxy.control.oauth.details import TYPE, Asked, Targets, granted, read_details
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.facts import Dataset, Inventory, Service, Tool
from proxy.tasks.budget import UNIT, Budget, Spend
from tests.fakes.tasks import task

WORLD = Inventory(
    version="1",
    people={},
    teams={},
    agents={},
    services={
        one: Service(id=one, owner="bob", url=f"https://{one}.example/api/", tools=(Tool(name="refund"),))
        for one in ("crm", "payments")
    },
    datasets={"ledger": Dataset(id="ledger", owner="bob")},
)  # fmt: skip


def read(*details: Any) -> Asked:
    return read_details(json.dumps(details), None, WORLD)


def test_details_are_read_whole() -> None:
    """Tools, datasets, words, time and budget."""
    budget = {"calls": 3, "spend": [{"tool": "payments/refund", "argument": "amount", "limit": "12.5"}]}
    said = {
        "type": TYPE, "actions": ["payments/refund", "crm/*"], "datatypes": ["read:ledger"], "purpose": "p",
        "ticket": "T-1", "ttl_seconds": 60, "budget": budget,
    }  # fmt: skip
    assert read(said) == Asked(
        tools=("crm/*", "payments/refund"),
        datasets=("read:ledger",),
        purpose="p",
        ticket="T-1",
        ttl=60,
        budget=Budget(3, (Spend("payments/refund", "amount", 12_500_000),)),
    )
    assert read({"type": TYPE, "task_id": "task_1"}) == Asked(task="task_1")
    assert read_details(None, None, WORLD) == Asked()
    assert read_details(None, "payments/refund", WORLD).tools == ("payments/refund",)


GOOD = {"type": TYPE, "actions": ["crm/*"]}


@pytest.mark.parametrize(
    "details",
    [
        [],
        [GOOD, GOOD],
        ["x"],
        [None],
        [{"actions": ["crm/*"]}],
        [GOOD | {"type": "payment_initiation"}],
        [GOOD | {"type": ["countersign_task"]}],
        [GOOD | {"locations": ["https://crm.example"]}],
        [GOOD | {"actions": []}],
        [GOOD | {"actions": "crm/*"}],
        [GOOD | {"actions": ["*"]}],
        [GOOD | {"actions": ["nowhere/x"]}],
        [GOOD | {"datatypes": ["ledger"]}],
        [GOOD | {"datatypes": ["read:nothing"]}],
        [GOOD | {"ttl_seconds": "60"}],
        [GOOD | {"budget": {"calls": "3"}}],
        [GOOD | {"budget": {"spend": [{"tool": "payments/refund", "argument": "amount", "limit": -1}]}}],
        [GOOD | {"task_id": "task_1"}],
        [{"type": TYPE, "purpose": "x"}],
        *(
            [{"type": TYPE, "task_id": "task_1", **more}]
            for more in (
                {"purpose": "x"},
                {"ticket": "x"},
                {"datatypes": ["read:ledger"]},
                {"ttl_seconds": 60},
                {"budget": {"calls": 1}},
            )
        ),
    ],
)
def test_what_has_no_one_meaning_is_refused(details: list[Any]) -> None:
    """Another type, an unknown member, unknown things, nothing to do, or two things at once."""
    with pytest.raises(OAuthMistake) as caught:
        read(*details)
    assert caught.value.error == "invalid_authorization_details"


@pytest.mark.parametrize("text", ["", "x", "{}", '{"a": {}}', '[{"type": "a", "type": "b"}]', "[" * 99])
def test_what_is_no_array_is_refused(text: str) -> None:
    """Also what two readers would read differently."""
    with pytest.raises(OAuthMistake) as caught:
        read_details(text, None, WORLD)
    assert caught.value.error == "invalid_authorization_details"


@pytest.mark.parametrize("scope", ["nowhere/x", "crm/* nowhere/x", "payments/refund  crm/*", "*", "crm"])
def test_every_scope_is_a_tool_that_could_be(scope: str) -> None:
    """One that is none among others that are is no scope less: it is a refusal."""
    with pytest.raises(OAuthMistake) as caught:
        read_details(None, scope, WORLD)
    assert caught.value.error == "invalid_scope"


def test_what_was_granted_is_echoed() -> None:
    """With the task's id, so that it can be asked for again."""
    [detail] = granted(task(budget=Budget(2, (Spend("payments/refund", "amount", UNIT),))))
    assert isinstance(detail, dict)
    assert (detail["type"], detail["task_id"], detail["ticket"]) == (TYPE, "task_1", "OPS-7")
    assert detail["budget"] == {
        "calls": 2, "spend": [{"tool": "payments/refund", "argument": "amount", "limit": 1.0}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("audiences", "resources", "passes"),
    [
        ((), (), True),
        (("https://gov/proxy",), (), True),
        (("https://gov/proxy", "https://other"), (), False),
        ((), ("https://crm.example/api",), True),
        ((), ("https://crm.example/api", "https://payments.example/api"), True),
        ((), ("https://payments.example/api",), False),
        ((), ("https://crm.example/api#x",), False),
        ((), ("crm",), False),
        ((), ("https://crm.example/api", "https://nowhere.example"), False),
    ],
)
def test_targets_are_the_proxy_and_what_the_task_reaches(audiences: Any, resources: Any, passes: bool) -> None:
    """A token is for us, and its task reaches no further than the resources that were named."""
    targets = Targets(audiences, resources)
    if passes:
        targets.require(("crm/find",), "https://gov/proxy", WORLD)
    else:
        with pytest.raises(OAuthMistake) as caught:
            targets.require(("crm/find",), "https://gov/proxy", WORLD)
        assert caught.value.error == "invalid_target"
