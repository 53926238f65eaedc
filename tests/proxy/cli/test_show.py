"""How answers are printed."""

import json

import pytest

from proxy.cli import show


def test_a_table_keeps_every_id_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are as wide as their widest cell: an id is on one line, whatever the terminal."""
    rows = [{"id": "hld_" + "a" * 90, "who": ["bob", "al"]}, {"id": "x", "who": None}]
    show.table(rows, {"id": "id", "people": "who"}, empty="none")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["id", "people"], ["hld_" + "a" * 90, "bob,", "al"], ["x", "-"]]
    assert len({line.index(word) for line, word in zip(lines, ("people", "bob", "-"), strict=True)}) == 1


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to show is said."""
    show.table([], {"id": "id"}, empty="nothing waits")
    assert capsys.readouterr().out == "nothing waits\n"


def test_a_document_is_told_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    """Nested parts are indented, times are dates, flags are words, and nothing is shown as a dash."""
    show.document({"id": "h", "card": {"who": "alice"}, "votes": [{"at": 1}], "closed_at": 0.5, "open": True, "x": ""})
    assert capsys.readouterr().out.splitlines() == [
        "id         h",
        "card",
        "  who  alice",
        "votes 1",
        "  at  1",
        "closed_at  1970-01-01 00:00:00Z",
        "open       yes",
        "x          -",
    ]


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "a\nb", "a\u202eb", "a\u200bb", "\u2800", "a\x00"])
def test_text_from_outside_moves_no_cursor(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Control, bidirectional and invisible characters are shown by their numbers."""
    show.document({"name": text, text: "value"})
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2
    assert "\\u{" in out
    assert all(letter.isprintable() for letter in out.replace("\n", ""))


def test_json_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Programs read one document a line."""
    show.as_json({"b": "ü", "a": [1]})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"a": [1], "b": "ü"}


def test_a_moment_is_utc_to_the_second() -> None:
    """No time is a dash."""
    assert show.moment(86400.9) == "1970-01-02 00:00:00Z"
    assert show.moment(None) == "-"


def test_how_something_stands_is_said_in_words() -> None:
    """Those of the console; a code that has none is shown, never hidden."""
    assert [show.standing(code) for code in ("", "agent_owner_inactive", "process_expired", "new_code")] == [
        "In force", "Owner has left", "Expired", "new_code",
    ]  # fmt: skip
