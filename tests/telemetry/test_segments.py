"""The entry files."""

import pytest

from telemetry.errors import AuditDamaged
from telemetry.layout import Layout
from telemetry.segments import EntryFile, Reserve
from tests.fakes.faulty_disk import faulty_disk


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path)
    layout.entries.mkdir()
    return layout


def test_what_is_appended_is_in_the_file(layout):
    """Appended bytes are there, in order, also after the file is opened again."""
    entries = EntryFile(layout)
    entries.open(0)
    entries.append(b"one\n", 0)
    entries.close()
    entries.open(0)
    entries.append(b"two\n", 1)
    entries.close()
    assert layout.segment(0).read_bytes() == b"one\ntwo\n"


def test_a_full_segment_is_followed_by_another(layout):
    """Past its limit a segment is closed, and the next is named for its first record."""
    entries = EntryFile(layout, segment_bytes=10)
    entries.open(0)
    for index in range(4):
        entries.append(b"12345\n", index)
    entries.close()
    assert [first for first, _ in layout.segments()] == [0, 2]


def test_a_failed_append_leaves_nothing_behind(layout, monkeypatch):
    """What a failed append left is cut off, at once if the disk lets us, and before the next append in any case."""
    entries = EntryFile(layout)
    entries.open(0)
    entries.append(b"one\n", 0)
    with faulty_disk(monkeypatch) as disk:
        disk.broken, disk.partial = 5, 2
        with pytest.raises(OSError, match="error"):
            entries.append(b"two\n", 1)
        assert layout.segment(0).read_bytes() == b"one\ntw"
        entries.cut()
        assert layout.segment(0).read_bytes() == b"one\n"
    entries.mend()
    entries.append(b"two\n", 1)
    entries.close()
    assert layout.segment(0).read_bytes() == b"one\ntwo\n"


def test_mending_refuses_a_shorter_file(layout):
    """If acknowledged bytes are gone, nothing more is written."""
    entries = EntryFile(layout)
    entries.open(0)
    entries.append(b"one\n", 0)
    layout.segment(0).write_bytes(b"on")
    with pytest.raises(AuditDamaged, match="4 were acknowledged"):
        entries.mend()
    with pytest.raises(OSError, match="not open"):
        entries.append(b"two\n", 1)


def test_a_replaced_file_is_noticed(layout):
    """A file that was removed or replaced under us is no longer the log."""
    entries = EntryFile(layout)
    entries.open(0)
    assert entries.attached()
    layout.segment(0).rename(layout.directory / "elsewhere")
    assert not entries.attached()
    layout.segment(0).touch()
    assert not entries.attached()
    entries.close()
    assert not entries.attached()


def test_the_reserve_is_taken_and_given_back(tmp_path):
    """The reserve has its size, and none once released; releasing one that does not exist is no error."""
    reserve = Reserve(tmp_path / "reserve", 65_536)
    reserve.release()
    reserve.restore()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 65_536
    reserve.release()
    assert (tmp_path / "reserve").stat().st_size == 0
