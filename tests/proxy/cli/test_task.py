"""`countersign task`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.cli.conftest import add_stranger

BEGIN = ("task", "begin", "--agent", "support-bot", "--purpose", "refunds of today", "--tool", "crm/create_refund")


def begun(give: Any, *more: str) -> str:
    said = give(*BEGIN, *more)
    assert said.status == 0, said.err
    return said.out.strip()


def test_a_task_is_begun_with_all_that_it_declares(give: Any, config: Path) -> None:
    """The id alone is on standard output; every option arrives, amounts to the last digit."""
    task_id = begun(
        give,
        *("--tool", "crm/get_customer", "--dataset", "read:customers", "--ticket", "OPS-7", "--ttl", "600"),
        *("--calls", "5", "--spend", "crm/create_refund:order.amount=12.50", "--for", "bob"),
    )
    assert task_id.startswith("task_")
    task = json.loads(give("task", "show", task_id, "--json").out)
    assert (task["tools"], task["datasets"]) == (["crm/create_refund", "crm/get_customer"], ["read:customers"])
    assert (task["ticket"], task["purpose"], task["state"]) == ("OPS-7", "refunds of today", "active")
    assert task["budget"]["calls"] == 5
    assert task["budget"]["spend"] == [
        {"tool": "crm/create_refund", "argument": "order.amount", "limit": 12.5, "used": 0.0}
    ]
    assert task["root"] == {"kind": "human", "id": "bob"}
    assert task["deadline"] - task["created_at"] == pytest.approx(600, abs=1)


def test_a_task_is_shown_for_people(give: Any, config: Path) -> None:
    """State, owner, each hop with how it was proven, budget, what is below it, and live handles."""
    parent = begun(give, "--for", "bob", "--calls", "5")
    child = begun(give, "--parent", parent, "--calls", "2")
    handle = json.loads(give("handle", "issue", "support-bot", "--task", parent, "--json").out)["id"]
    said = give("task", "show", parent).out
    for part in ("active", "refunds of today", "alice", "human:bob", "0 of 5 calls", child, handle):
        assert part in said
    assert "endorsed, by local_operator" in said
    listed = give("task", "list", "--live").out
    assert parent in listed
    assert child in listed
    assert give("task", "list", "--agent", "nobody").out == "no tasks\n"


def test_a_task_is_suspended_resumed_and_ended(give: Any, config: Path) -> None:
    """With a reason each; what has ended is gone from those that live, and is not ended again."""
    task_id = begun(give)
    assert give("task", "suspend", task_id, "--reason", "wait").out == f"{task_id} is suspended\n"
    assert "suspended by operator" in give("task", "show", task_id).out
    assert give("task", "resume", task_id, "--reason", "on").out == f"{task_id} is active\n"
    assert give("task", "end", task_id, "--reason", "done").out == f"{task_id} is completed\n"
    assert give("task", "list", "--live").out == "no tasks\n"
    assert task_id in give("task", "list").out
    again = give("task", "end", task_id, "--reason", "done")
    assert (again.status, "is completed, and cannot become" in again.err) == (2, True)


def test_a_person_acts_in_their_own_name(give: Any, config: Path) -> None:
    """With `--as`, what is not theirs is not there; the operator's suspension is the operator's to end."""
    stranger = add_stranger(config)
    task_id = begun(give, "--as", "alice", "--for", "alice")
    assert json.loads(give("task", "show", task_id, "--json").out)["created_by"] == "person:alice"
    assert give("task", "show", task_id, "--as", stranger).status == 2
    assert give("task", "list", "--as", stranger).out == "no tasks\n"
    for what in ("suspend", "resume", "end"):
        assert "no such task" in give("task", what, task_id, "--reason", "x", "--as", stranger).err
    give("task", "suspend", task_id, "--reason", "incident")
    said = give("task", "resume", task_id, "--reason", "x", "--as", "alice")
    assert (said.status, "only the operator resumes it" in said.err) == (2, True)


def test_a_deadline_is_a_moment(give: Any, config: Path) -> None:
    """RFC 3339, in whatever zone; in whole seconds, from when the server hears of it."""
    began = datetime.now(UTC)
    at = began + timedelta(hours=2)
    task_id = begun(give, "--deadline", at.isoformat())
    took = (datetime.now(UTC) - began).total_seconds()
    task = json.loads(give("task", "show", task_id, "--json").out)
    assert -1 <= task["deadline"] - at.timestamp() <= took


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--deadline", "tomorrow"), "`tomorrow` is not a time"),
        (("--deadline", "2099-01-01T00:00:00"), "does not say in which zone"),
        (("--deadline", "2020-01-01T00:00:00Z"), "is over"),
        (("--deadline", "2099-01-01T00:00:00Z"), "ends within"),
        (("--deadline", "2099-01-01T00:00:00Z", "--ttl", "60"), "not both"),
        (("--ttl", "0"), "ends within"),
        (("--for", "bob", "--process", "nightly"), "give --for or --process"),
        (("--for", "nobody"), "no active person `nobody`"),
        (("--process", "nightly"), "process"),
        (("--spend", "500"), "is not a limit"),
        (("--spend", "crm/create_refund=500"), "is not a limit"),
        (("--spend", "crm/create_refund:=500"), "is not a limit"),
        (("--spend", "crm/create_refund:amount=lots"), "`limit` is a number"),
        (("--calls", "-1"), "`calls` is a whole number"),
        (("--tool", "nowhere/x"), "no service `nowhere`"),
        (("--dataset", "customers"), "customers"),
        (("--parent", "task_none"), "task"),
    ],
)
def test_a_mistake_begins_nothing(give: Any, config: Path, more: tuple[str, ...], words: str) -> None:
    """Exit status 2, one sentence, and no task."""
    said = give(*BEGIN, *more)
    assert said.status == 2
    assert words in said.err
    assert give("task", "list").out == "no tasks\n"


def test_an_odd_id_is_no_other_address(give: Any, config: Path) -> None:
    """What is typed as an id stays one part of the path."""
    for odd in ("../agents", "task_1/complete", "a b", "?"):
        said = give("task", "show", odd)
        assert (said.status, "Traceback" in said.err) == (2, False)


def test_text_from_outside_moves_no_cursor(give: Any, config: Path) -> None:
    """A purpose with control characters is shown by their numbers."""
    said = give(*BEGIN[:-4], "--purpose", "a\x1b[2Jb", "--tool", "crm/*")
    assert "\x1b" not in said.err + give("task", "list").out + give("task", "show", said.out.strip()).out
