"""Tasks, and the states that they go through."""

import contextlib
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stages import Principal
from proxy.tasks.budget import UNIT, Budget, Spend
from proxy.tasks.delegation import MAX_HOPS, Proof
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.task import ENDS, MAX_DEPTH, MAX_LIFE, STATES, Task, TaskState, begin
from tests.fakes.tasks import ALICE, NOW, SHOWN, new_task, task

ALLOWED = {
    ("created", "active"), ("active", "suspended"), ("suspended", "active"),
    *((live, end) for live in ("created", "active", "suspended")
      for end in ("completed", "expired", "revoked", "failed")),
}  # fmt: skip


@pytest.mark.parametrize("before", sorted(STATES))
@pytest.mark.parametrize("after", sorted(STATES))
def test_only_these_transitions_exist(before: TaskState, after: TaskState) -> None:
    """The table above is the whole machine."""
    here = replace(task(), state=before)
    if (before, after) in ALLOWED:
        moved = here.moved(after, at=NOW + 1, by="person:bob", reason="why")
        assert (moved.state, moved.changed_at, moved.changed_by, moved.reason) == (after, NOW + 1, "person:bob", "why")
    else:
        with pytest.raises(TaskMistake) as caught:
            here.moved(after, at=NOW, by="x", reason="")
        assert caught.value.code == "task_state"


@given(st.lists(st.sampled_from(sorted(STATES)), max_size=12))
def test_an_end_is_final(wanted: list[TaskState]) -> None:
    """Whatever is tried in whatever order, a task that has ended never lives again."""
    here, ended = task(), False
    for state in wanted:
        try:
            here = here.moved(state, at=NOW, by="x", reason="")
        except TaskMistake:
            continue
        assert not ended
        ended = here.state in ENDS
    assert here.ended == ended


def test_only_an_active_task_runs_and_only_until_its_deadline() -> None:
    """A task that is created, suspended or over permits nothing."""
    assert task().runs_at(NOW + 599)
    assert not task().runs_at(NOW + 600)
    for state in STATES - {"active"}:
        assert not replace(task(), state=state).runs_at(NOW)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purpose": "  "}, "purpose_missing"),
        ({"purpose": "x" * 501}, "text_too_long"),
        ({"ticket": "x" * 201}, "text_too_long"),
        ({"tools": ()}, "tools_missing"),
        ({"tools": ("everything",)}, "tools_invalid"),
        ({"datasets": ("customers",)}, "datasets_invalid"),
        ({"deadline": NOW}, "deadline_invalid"),
        ({"deadline": NOW + MAX_LIFE + 1}, "deadline_invalid"),
        ({"deadline": float("nan")}, "deadline_invalid"),
        ({"budget": Budget(calls=-1)}, "budget_invalid"),
        ({"budget": Budget(spend=(Spend("payments/*", "amount", UNIT),))}, "budget_invalid"),
        ({"proof": None}, "proof_missing"),
    ],
)
def test_an_unsound_task_is_not_begun(changes: dict[str, Any], code: str) -> None:
    """Without a purpose, tools, an end in reach, or proof of who it is for, there is no task."""
    with pytest.raises(TaskMistake) as caught:
        begin(new_task(**changes), "task_1", None, by="x", now=NOW)
    assert caught.value.code == code


def test_a_task_knows_for_whom_it_is() -> None:
    """With a principal, one hop from there to the agent; without, the agent acts for itself."""
    one = task()
    assert (one.root, [link.delegate.id for link in one.delegation.links]) == (ALICE, ["support-bot"])
    own = task(principal=None, proof=None)
    assert (own.root, own.delegation.links) == (Principal("agent", "support-bot"), ())
    assert (one.parent, one.scopes) == (None, ("task:task_1",))


def test_a_child_hangs_on_all_its_ancestors() -> None:
    """Their scopes end it; its chain is theirs, and one hop more for another agent."""
    parent = task("task_p")
    child = task("task_c", parent, agent="researcher", principal=None)
    grandchild = task("task_g", child, agent="researcher", principal=None)
    assert child.scopes == ("task:task_c", "task:task_p")
    assert grandchild.lineage == ("task_p", "task_c")
    assert [one.id for one in child.delegation.members] == ["alice", "support-bot", "researcher"]
    assert grandchild.delegation is child.delegation


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tools": ("payments/*",)}, "widens_tools"),
        ({"datasets": ("read:ledger",)}, "widens_datasets"),
        ({"deadline": NOW + 601}, "outlives"),
        ({"budget": Budget(calls=6)}, "widens_budget"),
        (
            {"tools": ("payments/refund",), "budget": Budget(spend=(Spend("payments/refund", "amount", 101 * UNIT),))},
            "widens_budget",
        ),
        ({"principal": Principal("human", "bob")}, "principal_differs"),
        ({"agent": "researcher", "proof": None}, "proof_missing"),
    ],
)
def test_a_child_is_never_more_than_its_parent(changes: dict[str, Any], code: str) -> None:
    """Not in tools, datasets, time, calls, amounts, nor for whom it acts."""
    budget = Budget(calls=5, spend=(Spend("payments/refund", "amount", 100 * UNIT),))
    with pytest.raises(TaskMistake) as caught:
        task("task_c", task("task_p", budget=budget), **changes)
    assert caught.value.code == code


@pytest.mark.parametrize("state", sorted(STATES - {"active"}))
def test_only_an_active_task_has_children(state: TaskState) -> None:
    """What is suspended or over hands nothing on."""
    with pytest.raises(TaskMistake) as caught:
        task("task_c", replace(task("task_p"), state=state))
    assert caught.value.code == "parent_not_active"


def test_a_task_ends_with_what_it_was_begun_with() -> None:
    """Its own credentials, and those of the tasks above it; more than any chain needs is refused."""
    above = task(via=("token:a|1", "principal:a|x"))
    below = task("task_2", above, via=("token:b|2", "token:a|1"))
    assert below.via == ("token:a|1", "principal:a|x", "token:b|2")
    assert below.scopes == ("task:task_2", "task:task_1", *below.via)
    most = tuple(f"token:b|{n}" for n in range(46))
    assert len(task("task_2", above, via=most).via) == 48
    with pytest.raises(TaskMistake) as caught:
        task("task_2", above, via=(*most, "handle:h"))
    assert caught.value.code == "delegation_credentials"


def test_tasks_nest_eight_deep() -> None:
    """The ninth level is refused."""
    here: Task = task("task_0")
    for depth in range(1, MAX_DEPTH):
        here = task(f"task_{depth}", here, principal=None, proof=SHOWN)
    with pytest.raises(TaskMistake) as caught:
        task("task_9", here)
    assert caught.value.code == "task_too_deep"


IDP = Proof("access_token", "endorsed", "sha256:bb")


def through(count: int) -> tuple[tuple[Principal, Proof], ...]:
    """So many parties between Alice and the agent."""
    return tuple((Principal("service", f"https://idp.example|a{number}"), IDP) for number in range(count))


def test_a_chain_may_have_come_through_others() -> None:
    """Each party between the principal and the agent is a hop of its own, in order, with how it was shown."""
    made = task(through=through(2))
    assert [one.id for one in made.delegation.members] == [
        "alice", "https://idp.example|a0", "https://idp.example|a1", "support-bot",
    ]  # fmt: skip
    assert [link.proof.level for link in made.delegation.links] == ["endorsed", "endorsed", "verified"]
    made.delegation.require_whole()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"through": through(1), "principal": None, "proof": None}, "principal_missing"),
        ({"through": through(MAX_HOPS)}, "delegation_too_deep"),
        ({"through": (*through(2), (Principal("service", "https://idp.example|a0"), IDP))}, "delegation_loop"),
        ({"through": ((ALICE, IDP), *through(1), (ALICE, IDP))}, "delegation_loop"),
    ],
)
def test_a_chain_of_others_is_judged_as_any_other(changes: dict[str, Any], code: str) -> None:
    """It begins with somebody, does not come back, and is never cut to fit; below another task it is none."""
    with pytest.raises(TaskMistake) as caught:
        begin(new_task(**changes), "task_1", None, by="x", now=NOW)
    assert caught.value.code == code
    with pytest.raises(TaskMistake, match="no other task"):
        task("task_c", task("task_p"), through=through(1))


CALLS_AND_SPEND = Budget(calls=5, spend=(Spend("payments/refund", "amount", 50),))
TOOLS = ["crm/find", "crm/edit", "crm/*", "payments/refund", "payments/*"]
SOME_BUDGET = st.builds(
    Budget,
    calls=st.none() | st.integers(0, 9),
    spend=st.lists(st.integers(0, 99), max_size=1).map(
        lambda limits: tuple(Spend("payments/refund", "amount", one) for one in limits)
    ),
)
SOME_HOP = st.fixed_dictionaries(
    {
        "agent": st.sampled_from(["a", "b", "c", "d"]),
        "tools": st.lists(st.sampled_from(TOOLS), min_size=1, max_size=3).map(tuple),
        "datasets": st.lists(st.sampled_from(["read:x", "write:x", "read:y"]), max_size=2).map(tuple),
        "deadline": st.integers(1, 900).map(lambda seconds: NOW + seconds),
        "budget": SOME_BUDGET,
        "principal": st.sampled_from([None, ALICE, Principal("human", "bob")]),
    }
)


def reach(tools: tuple[str, ...]) -> set[str]:
    """The single tools that these are, of the two services that there are."""
    all_of = {"crm": {"crm/find", "crm/edit"}, "payments": {"payments/refund"}}
    found = [all_of[one.partition("/")[0]] if one.endswith("/*") else {one} for one in tools]
    everything = {one for one in tools if one.endswith("/*")}
    return set().union(*found) | everything


@given(st.lists(SOME_HOP, max_size=10))
def test_no_row_of_hops_ever_widens_anything(hops: list[dict[str, Any]]) -> None:
    """Whatever each asks for: what begins can do no more, spend no more, and lives no longer than what it began under,
    acts for the same one, and its chain is the same or one hop longer, never deeper than eight."""
    chain = [task("task_0", tools=("crm/*", "payments/refund"), datasets=("read:x", "write:x"), budget=CALLS_AND_SPEND)]
    for number, hop in enumerate(hops, 1):
        with contextlib.suppress(TaskMistake):
            begun = begin(new_task(**hop), f"task_{number}", chain[-1], by="x", now=NOW)
            chain.append(begun.moved("active", at=NOW, by="x", reason=""))
    for above, below in pairwise(chain):
        assert reach(below.tools) <= reach(above.tools)
        assert set(below.datasets) <= set(above.datasets)
        assert NOW < below.deadline <= above.deadline
        assert below.budget.limits().keys() >= above.budget.limits().keys()
        for name, limit in above.budget.limits().items():
            assert below.budget.limits()[name] <= limit
        assert below.root == above.root == ALICE
        assert set(below.scopes) == {f"task:{below.id}", *above.scopes}
        links = above.delegation.links
        assert below.delegation.links[: len(links)] == links
        assert len(below.delegation.links) - len(links) in {0, 1}
        below.delegation.require_whole()
    assert len(chain) <= MAX_DEPTH
