"""Opening a log again."""

import os

import pytest

from telemetry.errors import AuditDamaged
from telemetry.layout import Layout
from telemetry.recorder import Recorder
from telemetry.verify import verify
from tests.fakes.audit_records import ORIGIN, decided, recording, write_log


@pytest.fixture
def log(tmp_path):
    """A closed log of five records."""
    write_log(tmp_path / "log", [decided(f"call_{number}") for number in range(5)])
    return Layout(tmp_path / "log")


def refused(log, match, origin=ORIGIN):
    with pytest.raises(AuditDamaged, match=match):
        Recorder(log.directory, origin, reserve_bytes=0).start()


def test_an_unfinished_record_is_removed(log):
    """A last line without its newline was never acknowledged; it is cut off and the log goes on."""
    with log.segment(0).open("ab") as file:
        file.write(b'{"action":{"pro')
    with recording(log.directory) as recorder:
        assert recorder.size == 5
        assert recorder.append_blocking(decided("call_5")) == 5
    assert verify(log.directory).ok


@pytest.mark.parametrize("level", ["0", "1"])
@pytest.mark.parametrize("damage", ["gone", "short", "garbage", "torn"])
def test_the_tree_is_rebuilt(tmp_path, level, damage):
    """Hashes that are missing, short, wrong or torn are made again from the entries."""
    write_log(tmp_path, [decided(f"call_{number}") for number in range(300)])
    path = Layout(tmp_path).tree / level
    data = path.read_bytes()
    match damage:
        case "gone":
            path.unlink()
        case "short":
            path.write_bytes(data[: len(data) // 64 * 32])
        case "garbage":
            path.write_bytes(data + os.urandom(64))
        case "torn":
            path.write_bytes(data[:-5])
    with recording(tmp_path) as recorder:
        assert recorder.append_blocking(decided("call_300")) == 300
    report = verify(tmp_path)
    assert (report.findings, report.size) == ([], 301)


def test_fewer_records_than_signed(log):
    """Records that were signed and are gone: nothing is signed over that."""
    lines = log.segment(0).read_bytes().splitlines(keepends=True)
    log.segment(0).write_bytes(b"".join(lines[:3]))
    refused(log, "holds 3 records, but a head of 5 was signed")


def test_other_records_than_signed(log):
    """Records other than the signed ones: nothing is signed over that."""
    log.segment(0).write_bytes(log.segment(0).read_bytes().replace(b"call_2", b"call_X"))
    refused(log, "not the ones that were signed")


def test_a_record_that_cannot_be_read(log):
    """A line in the middle that is not the record it should be stops the opening, and is named."""
    lines = log.segment(0).read_bytes().splitlines(keepends=True)
    log.segment(0).write_bytes(b"".join([*lines[:2], b"nonsense\n", *lines[3:]]))
    refused(log, "record 2 cannot be read")


def test_the_heads_do_not_have_to_agree_on_who_is_newest(log):
    """The newest head is known from the history if the file `checkpoint` is lost, and the other way round."""
    log.segment(0).write_bytes(b"")
    log.checkpoint.unlink()
    refused(log, "a head of 5 was signed")


def test_a_forged_head(log):
    """A head that our key did not sign stops the opening."""
    log.checkpoint.write_text(log.checkpoint.read_text().replace("\n5\n", "\n4\n"))
    refused(log, "cannot be trusted")


@pytest.mark.parametrize("left", [b"", bytes(160)])
@pytest.mark.parametrize("of", ["checkpoint", "checkpoints"])
def test_a_head_that_a_power_cut_emptied(log, of, left):
    """A file of heads that was never forced to the disk is empty, or all zeros: the other one tells, and both go on."""
    (log.directory / of).write_bytes(left)
    with recording(log.directory) as recorder:
        assert recorder.append_blocking(decided("call_5")) == 5
    report = verify(log.directory)
    assert (report.findings, report.size, report.signed) == ([], 6, 6)


@pytest.mark.parametrize("of", ["checkpoint", "checkpoints"])
def test_an_emptied_head_excuses_no_missing_record(log, of):
    """With one of the two emptied, a log that was set back behind the head in the other one is refused."""
    (log.directory / of).write_bytes(b"")
    lines = log.segment(0).read_bytes().splitlines(keepends=True)
    log.segment(0).write_bytes(b"".join(lines[:3]))
    refused(log, "a head of 5 was signed")


@pytest.mark.parametrize("checkpoint", ["empty", "gone"])
@pytest.mark.parametrize("checkpoints", ["empty", "gone"])
@pytest.mark.parametrize("records", ["all", "none"])
def test_records_without_any_head(log, checkpoint, checkpoints, records):
    """If no signed head is left, nobody can say that no record is missing: nothing is signed over that."""
    for path, how in ((log.checkpoint, checkpoint), (log.checkpoints, checkpoints)):
        if how == "empty":
            path.write_bytes(b"")
        else:
            path.unlink()
    if records == "none":
        log.segment(0).write_bytes(b"")
        log.checkpoint.touch()
    refused(log, "no signed head says how many")


def test_the_first_head_is_signed_before_the_first_record(tmp_path):
    """A log that was killed right after it was opened has a head, so that its records are never without one."""
    with recording(tmp_path) as recorder:
        head = recorder.checkpoint
        assert (head.size, Layout(tmp_path).checkpoint.exists()) == (0, True)


def test_a_head_that_is_no_text(log):
    """A file of the newest head with other bytes in it stops the opening, in words."""
    log.checkpoint.write_bytes(b"\xff\xfe\n5\n")
    refused(log, "cannot be trusted")


def test_a_policy_that_a_power_cut_emptied(log):
    """The public half of the key is written again from the private one."""
    text = log.policy.read_text()
    log.policy.write_text("")
    with recording(log.directory):
        assert log.policy.read_text() == text


def test_the_key_is_not_replaced_in_silence(log):
    """A log that was signed and has lost its key is not given another."""
    log.signer_key.unlink()
    refused(log, "put it back")
    log.policy.unlink()
    log.checkpoints.unlink()
    refused(log, "put it back")


def test_the_key_is_private(log):
    """A key that others may read is refused; a fresh one is readable by its owner only."""
    assert log.signer_key.stat().st_mode & 0o777 == 0o600
    log.signer_key.chmod(0o640)
    refused(log, "chmod 600")


@pytest.mark.parametrize("text", ["", "nonsense", "PRIVATE+KEY+x+00000000+AAAA", "\udcff"])
def test_a_key_that_is_none(log, text):
    """A key file that holds no key is named as such."""
    log.signer_key.write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(log, "is not a signer key")


def test_the_key_of_another_log(log):
    """One log's key does not sign for another origin."""
    refused(log, "but this log is", origin="test.example/other")


def test_one_writer_a_log(log):
    """A second writer is refused while the first is there, and welcome afterwards."""
    with recording(log.directory):
        refused(log, "another process is writing")
    with recording(log.directory):
        pass


def test_a_missing_policy_is_written_again(log):
    """The public half of the key can always be written again from the private one."""
    text = log.policy.read_text()
    log.policy.unlink()
    with recording(log.directory):
        assert log.policy.read_text() == text


def test_a_missing_segment(tmp_path, monkeypatch):
    """A whole segment that is gone from the middle of what must be read again is named."""
    monkeypatch.setattr("telemetry.segments.SEGMENT_BYTES", 1)
    monkeypatch.setattr("telemetry.segments.EntryFile.__init__.__defaults__", (3000,))
    write_log(tmp_path, [decided(f"call_{number}") for number in range(9)])
    layout = Layout(tmp_path)
    segments = layout.segments()
    assert len(segments) > 2
    (layout.tree / "0").unlink()
    segments[1][1].unlink()
    refused(layout, "incomplete|removed")


def test_pruned_records_and_no_hashes(log):
    """If the first records are gone and so are their hashes, the log cannot go on."""
    log.segment(0).rename(log.segment(3))
    (log.tree / "0").unlink()
    refused(log, "the first record kept is 3")
