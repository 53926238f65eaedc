"""Salts beside the log."""

import os

import pytest

from telemetry.errors import AuditDamaged
from telemetry.redaction import matches, redact
from telemetry.salts import Salts


def test_a_salt_is_found_until_it_is_erased(tmp_path):
    """A salt opens its commitment; erased, it is gone from the file, and the others are still there."""
    salts = Salts(tmp_path / "salts")
    kept, gone = redact({"a": 1}), redact({"a": 2})
    salts.add("call_1", kept.salt)
    salts.add("call_2", gone.salt)
    salts.flush()
    assert matches(gone.commit, salts.find("call_2"), {"a": 2})
    assert salts.erase("call_2")
    assert gone.salt.hex() not in (tmp_path / "salts").read_text()
    assert salts.find("call_2") is None
    assert not salts.erase("call_2")
    assert Salts(tmp_path / "salts").find("call_1") == kept.salt
    assert (tmp_path / "salts").stat().st_mode & 0o777 == 0o600


def test_erasing_reaches_what_is_not_written_yet(tmp_path):
    """A salt that only waits to be written can be erased too."""
    salts = Salts(tmp_path / "salts")
    assert salts.find("call_1") is None
    salts.add("call_1", b"s" * 32)
    assert salts.erase("call_1")
    assert salts.find("call_1") is None


def test_a_failing_disk_keeps_salts_for_later(tmp_path):
    """What could not be written is written the next time; what is too much is forgotten."""
    salts = Salts(tmp_path / "missing" / "salts")
    salts.add("call_1", b"s" * 32)
    with pytest.raises(OSError, match="No such"):
        salts.flush()
    (tmp_path / "missing").mkdir()
    salts.flush()
    salts.flush()
    assert salts.find("call_1") == b"s" * 32


def test_a_line_that_cannot_be_read(tmp_path):
    """A damaged line is named, not taken for an erased salt."""
    (tmp_path / "salts").write_text("call_1 nonsense\n")
    with pytest.raises(AuditDamaged, match="cannot be read"):
        Salts(tmp_path / "salts").find("call_1")


def test_a_call_with_several_records_is_erased_whole(tmp_path):
    """A call that was decided and then refused left its salt twice: erasing leaves neither."""
    salts = Salts(tmp_path / "salts")
    for _ in range(2):
        salts.add("call_1", b"s" * 32)
    assert salts.erase("call_1")
    assert salts.find("call_1") is None
    assert (b"s" * 32).hex() not in (tmp_path / "salts").read_text()


def test_a_disk_that_fills_up_in_a_line_spoils_no_other(tmp_path, monkeypatch):
    """What a failed write left is written over by the next one, so that every salt can be read."""
    salts, write = Salts(tmp_path / "salts"), os.pwrite
    salts.add("call_1", b"1" * 32)
    salts.flush()
    salts.add("call_2", b"2" * 32)
    salts.add("call_3", b"3" * 32)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda file, data, at: write(file, data[:90], at))
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                salts.flush()
    salts.flush()
    assert [salts.find(f"call_{number}") for number in (1, 2, 3)] == [b"1" * 32, b"2" * 32, b"3" * 32]
    assert (tmp_path / "salts").read_bytes().count(b"\n") == 3


@pytest.mark.parametrize("torn", [b"call_2 6161", b"\0" * 50, b""])
def test_a_line_that_a_crash_tore_spoils_no_other(tmp_path, torn):
    """A last line without its end is cut off when the file is opened again."""
    path = tmp_path / "salts"
    path.write_bytes(b"call_1 " + b"61" * 32 + b"\n" + torn)
    salts = Salts(path)
    salts.add("call_3", b"3" * 32)
    salts.flush()
    assert path.read_bytes().count(b"\n") == 2
    assert (salts.find("call_1"), salts.find("call_2"), salts.find("call_3")) == (b"a" * 32, None, b"3" * 32)


@pytest.mark.parametrize("left", [b"", b"x" * 500])
def test_a_file_that_somebody_changed(tmp_path, left):
    """A file that is shorter than what was written, or is not ours, gets what comes and loses nothing it holds."""
    path = tmp_path / "salts"
    salts = Salts(path)
    for number in range(9):
        salts.add(f"call_{number}", b"1" * 32)
    salts.flush()
    path.write_bytes(left)
    salts.add("call_9", b"9" * 32)
    salts.flush()
    assert path.read_bytes() == left + b"call_9 " + b"39" * 32 + b"\n"
