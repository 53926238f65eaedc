"""`countersign trace`."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.trace import wrapped
from tests.fakes.audit_records import TRACE, completed, decided, write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of one call, start to end."""
    write_log(tmp_path / "audit", [decided("call_1"), completed("call_1")])
    return tmp_path / "audit"


def test_a_call_is_a_tree(give: Any, log: Path) -> None:
    """From the log alone, with no configuration: who, what was decided, what came of it."""
    said = give("trace", "call_1", "--log", log)
    assert said.status == 0
    assert "└─" in said.out
    assert "call_1" in said.out


def test_a_call_is_told_with_its_task(give: Any, tmp_path: Path) -> None:
    """What the task was begun for stands above the call, however long ago that was; nothing of its other calls."""
    change = {"what": "task:task-77", "by": "person:alice", "reason": "find it", "details": ["ticket=OPS-7"]}
    other = {"type": "task.created", "task": "task-777", "change": change | {"reason": "another"}}
    records = [
        {"type": "task.created", "task": "task-77", "change": change},
        other,
        decided("call_1"),
        decided("call_2"),
    ]
    write_log(tmp_path / "audit", records)
    lines = give("trace", "call_1", "--log", tmp_path / "audit").out.splitlines()
    assert lines[0] == "task-77 · find it · ticket OPS-7 · begun by person:alice"
    assert "verified by access_token" in lines[2]
    assert not any("call_2" in line or "another" in line for line in lines)


def test_all_that_was_done_for_a_person_is_one_tree(give: Any, tmp_path: Path) -> None:
    """Through whichever agents, with how each call ended and what its task was for; nothing that was for others."""
    change = {"what": "task:task-77", "by": "person:alice", "reason": "find it"}
    through_another = {"agent": {"id": "writer"}, "delegation": {"chain": ["human:alice", "agent:writer"]}}
    records = [
        {"type": "task.created", "task": "task-77", "change": change},
        decided("call_1"),
        decided("call_2", **through_another),
        decided("call_3", delegation={"chain": ["human:bob", "agent:writer"]}),
        completed("call_3"),
        completed("call_2", status=418),
    ]
    write_log(tmp_path / "audit", records)
    text = give("trace", "principal:alice", "--log", tmp_path / "audit").out
    for part in ("find it", "researcher (agent)", "writer (agent)", "call_1", "call_2", "upstream 418"):
        assert part in text
    assert "call_3" not in text
    assert "bob (human)" not in text
    assert give("trace", "principal:nobody", "--log", tmp_path / "audit").status == 2
    assert "call_3" in give("trace", "agent:researcher", "--log", tmp_path / "audit").out


def test_a_story_is_never_cut_short(give: Any, tmp_path: Path) -> None:
    """However many records there are: one that is left out would be one that nobody sees."""
    write_log(tmp_path / "audit", [decided(f"call_{number}") for number in range(1_100)])
    for what in ("task-77", "principal:alice", TRACE):
        lines = give("trace", what, "--log", tmp_path / "audit", "--json").out.splitlines()
        assert len(lines) == 1_100


def test_a_call_is_found_by_what_its_service_was_told(give: Any, tmp_path: Path) -> None:
    """The `txn` of the Txn-Token that came with it; one that nobody was told is not there."""
    told = decided("call_1") | {"trace": {"id": "a" * 32}, "downstream": {"txn": "txn_1"}}
    write_log(tmp_path / "audit", [told, completed("call_1"), decided("call_2")])
    said = give("trace", "a" * 32, "--log", tmp_path / "audit")
    assert (said.status, "call_1" in said.out, "call_2" in said.out) == (0, True, False)
    assert give("trace", "b" * 32, "--log", tmp_path / "audit").status == 2


def test_for_programs_it_is_the_records(give: Any, log: Path) -> None:
    """One record a line."""
    lines = give("trace", "call_1", "--log", log, "--json").out.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["call.decided", "call.completed"]


def test_a_directory_without_a_log_is_a_mistake_in_words(give: Any, tmp_path: Path) -> None:
    """The directory is named."""
    said = give("trace", "call_1", "--log", tmp_path)
    assert said.status == 2
    assert f"{tmp_path}: there is no audit log here" in said.err


def test_a_long_line_stays_in_its_branch() -> None:
    """What goes on below a line leaves the branches of the tree in their columns."""
    line = "│  ├─ #2 " + "words " * 12
    pieces = wrapped(line.rstrip(), 60)
    assert len(pieces) > 1
    assert all(len(piece) <= 60 for piece in pieces)
    assert pieces[0].startswith("│  ├─ #2 words")
    assert all(piece.startswith("│  │  ") and "├" not in piece for piece in pieces[1:])
    assert " ".join(piece.strip(" │├─") for piece in pieces) == line.strip(" │├─")


@pytest.mark.parametrize("width", [0, 20, 500])
def test_a_line_is_left_whole_where_that_reads_better(width: int) -> None:
    """Into a file, in a very narrow terminal, or where it fits."""
    line = "└─ " + "word " * 20
    assert wrapped(line, width) == [line]
