"""What dies with a scope."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from proxy.control.reach import reach_of
from proxy.facts import OwnershipRules, Process, StaticBinding
from proxy.identity.interfaces import HandleRow
from proxy.stages import Principal
from tests.fakes.control_house import NOW, inventory
from tests.fakes.tasks import task

FACTS = inventory()
TODAY = datetime.fromtimestamp(NOW, UTC).date()
TOP = task("task_top", principal=Principal("human", "frank"))
CHILD = task("task_child", TOP, agent="builder", principal=None)
OTHER = task("task_other", agent="builder", principal=Principal("business_process", "nightly"))
TASKS = [TOP, CHILD, OTHER]


def handle(number: int, agent: str, task_id: str, **more: Any) -> HandleRow:
    fields: dict[str, Any] = {
        "id": f"hnd_{number}", "digest": f"d{number}", "agent": agent, "task": task_id, "purpose": "",
        "on_behalf_of": None, "issued_at": NOW, "not_after": NOW + 60, "issued_by": "t",
    }  # fmt: skip
    return HandleRow(**(fields | more))


HANDLES = [
    handle(1, "support-bot", "task_top", on_behalf_of="frank"),
    handle(2, "builder", "task_child"),
    handle(3, "builder", "task_other"),
    handle(4, "builder", "task_made_up", on_behalf_of="eve"),
]


@pytest.mark.parametrize(
    ("scope", "agents", "handles", "tasks"),
    [
        ("global", ["builder", "stray", "support-bot"], 4, 3),
        ("agent:support-bot", ["support-bot"], 2, 2),  # the builder's child task acts for it
        ("agent:builder", ["builder"], 3, 2),
        ("owner:alice", ["support-bot"], 2, 2),
        ("team:support", ["support-bot"], 2, 2),
        ("class:utility", ["builder", "stray", "support-bot"], 4, 3),
        ("class:privileged", [], 0, 0),
        ("principal:frank", [], 2, 2),
        ("principal:eve", [], 1, 0),
        ("process:nightly", [], 1, 1),
        ("process:frank", [], 0, 0),
        ("partner:acme", [], 0, 0),
        ("task:task_top", [], 2, 2),
        ("task:task_child", [], 1, 1),
        ("task:task_made_up", [], 1, 0),
        ("handle:hnd_3", [], 1, 0),
        ("handle:hnd_9", [], 0, 0),
        ("token:iss|jti", [], 0, 0),
    ],
)
def test_a_scope_reaches_all_that_acts_through_it(scope: str, agents: list[str], handles: int, tasks: int) -> None:
    """Its own, and whatever acts for it further down the chain."""
    reach = reach_of(scope, FACTS, HANDLES, TASKS, TODAY)
    assert ([agent.id for agent in reach.agents], reach.handles, reach.tasks) == (agents, handles, tasks)


def test_a_service_and_a_tool_are_reached_by_calls() -> None:
    """No agent dies with them; the calls to them do."""
    assert reach_of("service:payments", FACTS, HANDLES, TASKS, TODAY).calls == ("payments",)
    assert reach_of("tool:payments/refund", FACTS, HANDLES, TASKS, TODAY).calls == ("payments/refund",)


def test_a_credential_is_reached_by_calls_to_the_services_that_have_it() -> None:
    """And by none where nobody has it."""
    key = StaticBinding(id="payments-key", secret="env:KEY", methods=("GET",), paths=("/*",))
    payments = FACTS.services["payments"].model_copy(update={"bindings": (key,)})
    facts = FACTS.model_copy(update={"services": {**FACTS.services, "payments": payments}})
    assert reach_of("credential:payments-key", facts, HANDLES, TASKS, TODAY).calls == ("payments",)
    assert reach_of("credential:other", facts, HANDLES, TASKS, TODAY).calls == ()


def test_an_owner_takes_their_processes_along() -> None:
    """Whatever acts for a business process of theirs ends with them, whosever the agent is."""
    far = date(2099, 1, 1)
    nightly = Process(
        id="nightly", owner="frank", purpose="x", trigger="schedule", reference="0 3 * * *", agents=("builder",),
        expires=far, review_due=far,
    )  # fmt: skip
    facts = FACTS.model_copy(update={"processes": {"nightly": nightly}})
    reach = reach_of("owner:frank", facts, HANDLES, TASKS, TODAY)
    assert (reach.agents, reach.handles, reach.tasks) == ((), 1, 1)


def test_a_deputy_takes_along_what_they_answer_for_today() -> None:
    """The owner has left: the agent is the deputy's, and ends with either."""
    alice = FACTS.people["alice"].model_copy(update={"active": False})
    rules = OwnershipRules(when_owner_leaves="deputy")
    facts = FACTS.model_copy(update={"people": {**FACTS.people, "alice": alice}, "rules": rules})
    for scope in ("owner:eve", "owner:alice"):
        assert [agent.id for agent in reach_of(scope, facts, HANDLES, TASKS, TODAY).agents] == ["support-bot"]
    assert reach_of("owner:eve", FACTS, HANDLES, TASKS, TODAY).agents == ()
