"""Where files are."""

from telemetry.layout import Layout


def test_segments_are_found_in_order(tmp_path):
    """Segments come by the index of their first record; other files are not segments."""
    layout = Layout(tmp_path)
    layout.entries.mkdir()
    for first in (300, 0, 12):
        layout.segment(first).touch()
    (layout.entries / "notes.jsonl").touch()
    (layout.entries / "000000000001.txt").touch()
    assert layout.segments() == [(first, layout.segment(first)) for first in (0, 12, 300)]


def test_no_entries_no_segments(tmp_path):
    """A directory without entries has no segments."""
    assert Layout(tmp_path).segments() == []
