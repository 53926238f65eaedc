"""`countersign audit`, on logs that the recorder wrote."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.audit import line_of
from tests.fakes.audit_records import completed, decided, write_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of two calls."""
    records = [decided("call_1"), completed("call_1"), decided("call_2"), completed("call_2")]
    write_log(tmp_path / "audit", records)
    return tmp_path / "audit"


def test_a_log_that_stands_is_said_to(give: Any, log: Path) -> None:
    """Exit status 0, in words and for programs; nothing but the log is needed."""
    said = give("audit", "verify", "--log", log)
    assert said.status == 0
    assert said.out.endswith("the log stands\n")
    told = json.loads(give("audit", "verify", "--log", log, "--json").out)
    assert (told["status"], told["size"], told["first_bad"]) == (0, 4, None)


def test_a_changed_record_is_named(give: Any, log: Path) -> None:
    """One bit of record 2: exit status 1, and which record."""
    entries = min((log / "entries").iterdir())
    lines = entries.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b"call_2", b"call_3", 1)
    entries.write_bytes(b"\n".join(lines))
    said = give("audit", "verify", "--log", log)
    assert said.status == 1
    assert "HAS BEEN TAMPERED WITH at record 2" in said.out


@pytest.mark.parametrize("option", ["--policy", "--from-checkpoint"])
def test_a_key_or_head_that_cannot_be_read_is_a_mistake_in_words(give: Any, log: Path, option: str) -> None:
    """The file is named, and nothing is called tampered."""
    said = give("audit", "verify", "--log", log, option, log / "nowhere")
    assert said.status == 2
    assert "nowhere: cannot be read: no such file or directory" in said.err


def test_records_are_shown_by_call(give: Any, log: Path) -> None:
    """One line a record for people, one JSON document a line for programs."""
    lines = give("audit", "show", "--call", "call_1", "--log", log).out.splitlines()
    assert [line.split()[2] for line in lines] == ["call.decided", "call.completed"]
    told = give("audit", "show", "--call", "call_1", "--log", log, "--json").out.splitlines()
    assert [json.loads(line)["call"] for line in told] == ["call_1", "call_1"]


def test_a_line_of_a_call_names_its_task(give: Any, log: Path) -> None:
    """After the call, so that either can be asked for."""
    lines = give("audit", "show", "--call", "call_1", "--log", log).out.splitlines()
    assert lines[0].endswith("call_1 task-77")


def test_the_tail_is_the_last_records(give: Any, log: Path) -> None:
    """As many as are asked for."""
    assert len(give("audit", "tail", "-n", "1", "--log", log).out.splitlines()) == 1
    assert len(give("audit", "tail", "--log", log, "--json").out.splitlines()) == 4


@pytest.mark.parametrize(
    ("kind", "change", "end"),
    [
        ("config.mistake", {"what": "files", "details": ["a.yaml:3: bad", "b"]}, "files a.yaml:3: bad and 1 more"),
        (
            "inventory.changed",
            {"what": "inventory", "kind": "ended", "details": ["person:bob"]},
            "inventory ended person:bob",
        ),
        ("inventory.changed", {"what": "inventory", "kind": "restored", "details": []}, "inventory"),
        ("inventory.changed", {"what": "inventory", "before": "1", "after": "2"}, "inventory"),
        ("person.deactivated", {"what": "person:bob", "reason": "left", "details": ["source=scim"]}, "person:bob left"),
        ("person.link_issued", {"what": "person:bob", "details": ["ttl=60"]}, "person:bob"),
    ],
)
def test_a_line_says_what_became_of_files(kind: str, change: dict[str, Any], end: str) -> None:
    """The first mistake, or what they end; of anything else the reason alone."""
    line = line_of({"idx": 1, "ts": "t", "type": kind, "change": change})
    assert line.split(kind, 1)[1].strip() == end


def test_evidence_is_written_and_checked_offline(give: Any, log: Path, tmp_path: Path) -> None:
    """A proof for each record, and the key beside them; changed by one bit it proves nothing."""
    evidence = tmp_path / "evidence"
    paths = give("audit", "prove", "call_1", "--output", evidence, "--log", log).out.split()
    assert len(paths) == 2
    checked = give("audit", "check", paths[0], "--policy", evidence / "policy")
    assert checked.status == 0
    assert checked.out.startswith("proven: record 0 of ")
    proof = Path(paths[0])
    proof.write_text(proof.read_text()[:-10] + "AAAAAAAA==")
    said = give("audit", "check", proof, "--policy", evidence / "policy")
    assert said.status == 2
    assert "not proven" in said.err


def test_evidence_that_cannot_be_written_is_a_mistake_in_words(give: Any, log: Path, tmp_path: Path) -> None:
    """The folder is named; no path of a proof is printed that is not there."""
    (tmp_path / "taken").write_text("a file")
    said = give("audit", "prove", "call_1", "--output", tmp_path / "taken", "--log", log)
    assert (said.status, said.out) == (2, "")
    assert f"{tmp_path}/taken: cannot be written: " in said.err


def test_a_proof_that_cannot_be_read_is_a_mistake_in_words(give: Any, tmp_path: Path) -> None:
    """The file is named, not the system's error number."""
    said = give("audit", "check", tmp_path / "none", "--policy", tmp_path / "key")
    assert said.status == 2
    assert said.err == f"countersign: {tmp_path}/none: cannot be read: no such file or directory\n"
