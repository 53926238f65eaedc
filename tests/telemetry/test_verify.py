"""Whatever is changed in a log is found, and the first bad record is named."""

import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.checkpoint import Checkpoint, Policy, sign_checkpoint
from telemetry.layout import Layout
from telemetry.note import Signer, Verifier, new_signer_key
from telemetry.verify import INCOMPLETE, OK, TAMPERED, UNVERIFIABLE, verify
from tests.fakes.audit_records import (
    AT,
    approval_decided,
    completed,
    decided,
    recording,
    resumed,
    write_log,
)

STORY = [
    decided("call_1"),
    completed("call_1"),
    decided("call_2", "deny"),
    decided("call_3", "hold", approval={"id": "hold_1", "state": "requested"}),
    approval_decided(),
    resumed("call_3"),
    completed("call_3", at=AT + 13),
]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A closed log that tells an ordinary story, in two runs, so with several signed heads."""
    directory = tmp_path_factory.mktemp("log")
    write_log(directory, STORY[:3])
    write_log(directory, STORY[3:])
    return directory


@pytest.fixture
def log(original, tmp_path):
    """A copy to do harm to."""
    shutil.copytree(original, tmp_path / "log")
    return Layout(tmp_path / "log")


def stored(log):
    return log.segment(0).read_bytes().splitlines(keepends=True)


def test_an_untouched_log(original):
    """A log as the recorder left it is in order: status 0, all of it signed."""
    report = verify(original)
    assert (report.status, report.findings, report.size, report.signed, report.unsigned) == (OK, [], 7, 7, 0)
    assert report.ok
    assert report.checkpoints >= 3
    assert report.first_bad is None


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_an_entry_is_found(original, tmp_path_factory, data):
    """Whichever byte of an entry file is changed, to whatever, verification fails and names that record."""
    entries = Layout(original).segment(0).read_bytes()
    position = data.draw(st.integers(0, len(entries) - 1))
    change = data.draw(st.integers(1, 255))
    damaged = bytearray(entries)
    damaged[position] ^= change
    directory = tmp_path_factory.mktemp("flipped") / "log"
    shutil.copytree(original, directory)
    Layout(directory).segment(0).write_bytes(damaged)
    report = verify(directory)
    assert report.status == TAMPERED
    assert report.first_bad == entries[:position].count(b"\n")
    shutil.rmtree(directory)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_same_without_the_stored_hashes(original, tmp_path_factory, data):
    """Without the tree files a changed byte is found all the same, at the latest at that record."""
    entries = Layout(original).segment(0).read_bytes()
    position = data.draw(st.integers(0, len(entries) - 1))
    damaged = bytearray(entries)
    damaged[position] ^= 1
    directory = tmp_path_factory.mktemp("flipped") / "log"
    shutil.copytree(original, directory)
    shutil.rmtree(Layout(directory).tree)
    Layout(directory).segment(0).write_bytes(damaged)
    report = verify(directory)
    assert report.status == TAMPERED
    assert report.first_bad is not None
    assert report.first_bad <= entries[:position].count(b"\n")
    shutil.rmtree(directory)


@pytest.mark.parametrize("name", ["checkpoint", "checkpoints", "tree/0"])
def test_any_changed_byte_beside_the_entries_is_found(original, tmp_path, name):
    """A changed byte in a signed head, in the history of heads or in the stored hashes is found."""
    original_bytes = (original / name).read_bytes()
    for position in range(0, len(original_bytes), 7):
        directory = tmp_path / str(position)
        shutil.copytree(original, directory)
        damaged = bytearray(original_bytes)
        damaged[position] ^= 4
        (directory / name).write_bytes(damaged)
        assert verify(directory).status in (TAMPERED, UNVERIFIABLE), position
        shutil.rmtree(directory)


def test_removed_at_the_end(log):
    """Signed records that are gone from the end are missed, from the first of them on."""
    log.segment(0).write_bytes(b"".join(stored(log)[:5]))
    report = verify(log.directory)
    assert (report.status, report.first_bad) == (TAMPERED, 5)


def test_removed_from_the_middle(log):
    """A removed record is missed at its place."""
    lines = stored(log)
    log.segment(0).write_bytes(b"".join(lines[:2] + lines[3:]))
    report = verify(log.directory)
    assert (report.status, report.first_bad) == (TAMPERED, 2)


def test_swapped(log):
    """Two records in another order are found at the first of them."""
    lines = stored(log)
    lines[2], lines[3] = lines[3], lines[2]
    log.segment(0).write_bytes(b"".join(lines))
    assert verify(log.directory).first_bad == 2


def test_a_tail_written_anew(log, tmp_path):
    """A log whose tail was made again, hashes and chain included, contradicts the heads that were signed."""
    other = tmp_path / "other"
    write_log(other, [*STORY[:3], decided("call_3", "allow"), *STORY[4:]])
    shutil.copytree(Layout(other).entries, log.entries, dirs_exist_ok=True)
    shutil.copytree(Layout(other).tree, log.tree, dirs_exist_ok=True)
    report = verify(log.directory)
    assert report.status == TAMPERED
    assert "not the ones that were signed" in str(report.findings[0])


def test_a_whole_log_made_anew(log, tmp_path):
    """A log made anew with another key is only unmasked by a policy, or a head, kept elsewhere."""
    policy, head = log.policy.read_text(), log.checkpoint.read_text()
    other = tmp_path / "other"
    write_log(other, STORY[:6])
    assert verify(other).status == OK
    assert verify(other, policy=policy).status == UNVERIFIABLE
    assert verify(other, from_checkpoint=head).status == UNVERIFIABLE


def test_an_older_copy_put_back(original, tmp_path):
    """A log that ends before a head kept elsewhere has lost records."""
    write_log(tmp_path / "log", STORY[:2])
    with recording(tmp_path / "log") as recorder:
        recorder.append_blocking(STORY[2])
    kept = Layout(tmp_path / "log").checkpoint.read_text()
    layout = Layout(tmp_path / "log")
    layout.segment(0).write_bytes(b"".join(stored(layout)[:2]))
    layout.checkpoint.unlink()
    layout.checkpoints.unlink()
    report = verify(layout.directory, from_checkpoint=kept)
    assert (report.status, report.first_bad) == (TAMPERED, 2)


def test_a_head_that_a_power_cut_emptied(log):
    """An empty file of the newest head is as good as none: not a forgery, but not complete either."""
    log.checkpoint.write_bytes(b"")
    report = verify(log.directory)
    assert (report.status, report.size) == (INCOMPLETE, report.signed)
    assert "missing or empty" in str(report.findings[0])


def test_two_heads_of_one_size(log):
    """A second head of the same size with another root, even properly signed, is a contradiction."""
    signer = Signer(log.signer_key.read_text().strip())
    forked = sign_checkpoint(Checkpoint(signer.name, 3, bytes(32)), signer)
    assert verify(log.directory, from_checkpoint=forked).status == TAMPERED


def test_without_any_trusted_key(log):
    """A policy that is missing, unreadable, or trusts nobody, verifies nothing: status 3."""
    stranger = Verifier(Signer(new_signer_key("test.example/audit/n1")).vkey)
    for policy in ("", "quorum none\n", Policy((stranger,)).text):
        assert verify(log.directory, policy=policy).status == UNVERIFIABLE
    log.policy.unlink()
    assert verify(log.directory).status == UNVERIFIABLE


@pytest.mark.parametrize("name", ["checkpoint", "checkpoints"])
def test_missing_heads(log, name):
    """Without one of the files of heads the log is incomplete; without both nothing says what was signed."""
    (log.directory / name).unlink()
    assert verify(log.directory).status == INCOMPLETE
    for other in ("checkpoint", "checkpoints"):
        (log.directory / other).unlink(missing_ok=True)
    assert verify(log.directory).status in (INCOMPLETE, UNVERIFIABLE)


def test_nothing_at_all(tmp_path):
    """An empty directory is not a log that verifies."""
    assert verify(tmp_path).status != OK


def test_pruned(tmp_path, monkeypatch):
    """A log whose first segments were pruned is incomplete, and the rest still verifies against the signed heads."""
    monkeypatch.setattr("telemetry.segments.EntryFile.__init__.__defaults__", (3000,))
    write_log(tmp_path, STORY)
    segments = Layout(tmp_path).segments()
    segments[0][1].unlink()
    report = verify(tmp_path)
    assert (report.status, report.first, report.size) == (INCOMPLETE, segments[1][0], 7)
    damaged = bytearray(segments[1][1].read_bytes())
    damaged[5] ^= 1
    segments[1][1].write_bytes(damaged)
    assert (verify(tmp_path).status, verify(tmp_path).first_bad) == (TAMPERED, segments[1][0])


def test_a_missing_segment(tmp_path, monkeypatch):
    """A segment that is gone from the middle is missed at its first record."""
    monkeypatch.setattr("telemetry.segments.EntryFile.__init__.__defaults__", (3000,))
    write_log(tmp_path, STORY)
    segments = Layout(tmp_path).segments()
    segments[1][1].unlink()
    assert verify(tmp_path).first_bad == segments[1][0]
    Layout(tmp_path).tree.rename(tmp_path / "nowhere")
    segments[0][1].unlink()
    assert verify(tmp_path).status == INCOMPLETE


def test_a_growing_log(tmp_path):
    """A log that is being written verifies; what is not signed yet is counted, an unfinished line is not a record."""
    with recording(tmp_path) as recorder:
        recorder.append_blocking(decided())
        with Layout(tmp_path).segment(0).open("ab") as file:
            file.write(b'{"unfinished')
        report = verify(tmp_path)
        assert (report.status in (OK, INCOMPLETE), report.size) == (True, 1)
        recorder._writer.entries.cut()


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ([completed()], "no decision before this allows it"),
        ([decided(outcome="deny"), completed()], "no decision before this allows it"),
        ([decided(), completed(), completed()], "no decision before this allows it"),
        ([STORY[3], resumed("call_3")], "no approval of hold hold_1"),
        ([STORY[3], approval_decided(state="denied"), resumed("call_3")], "no approval of hold hold_1"),
    ],
)
def test_a_story_that_must_not_be(tmp_path, story, problem):
    """A call upstream without a decision, or released without an approval, is found in a log with perfect hashes."""
    write_log(tmp_path, story)
    report = verify(tmp_path)
    assert (report.status, report.first_bad) == (TAMPERED, len(story) - 1)
    assert problem in report.findings[0].problem


def test_approvals_in_another_log(tmp_path):
    """An approval that another process recorded in its own log counts if that log is named."""
    write_log(tmp_path / "gate", [STORY[3], resumed("call_3")])
    write_log(tmp_path / "control", [approval_decided()])
    assert verify(tmp_path / "gate").status == TAMPERED
    assert verify(tmp_path / "gate", beside=[tmp_path / "control"]).status == OK


def test_a_clock_that_was_set_back(tmp_path):
    """Times that go back are reported, but are not a changed log."""
    write_log(tmp_path, [decided("call_1"), decided("call_2") | {"at": AT - 60}])
    report = verify(tmp_path)
    assert (report.status, len(report.findings), report.findings[0].index) == (OK, 1, 1)


def test_a_record_outside_the_restricted_form(tmp_path):
    """A record with a float in it has no canonical form that everybody agrees on."""
    write_log(tmp_path, [decided() | {"elapsed_us": 1.5}])
    report = verify(tmp_path)
    assert (report.status, report.first_bad) == (TAMPERED, 0)


def test_a_record_of_a_later_program(tmp_path):
    """A type of record that we do not know cannot be judged: incomplete, not tampered."""
    write_log(tmp_path, [{"type": "call.invented"}])
    assert verify(tmp_path).status == INCOMPLETE
