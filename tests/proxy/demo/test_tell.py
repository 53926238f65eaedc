"""How the demo speaks."""

import pytest

from proxy.demo import tell

PROBLEM = {
    "type": "urn:x",
    "title": "No permit",
    "status": 403,
    "reason": "no_permit",
    "detail": "NOT EXECUTED. The rules do not allow it.",
    "trace_id": "abc",
    "hold_id": "",
}


def test_a_problem_document_is_shown_by_what_matters() -> None:
    """Status and title, reason, detail; not its ids and types."""
    assert list(tell.answer_rows(403, PROBLEM)) == [
        ("agent gets", "403 No permit"),
        ("  reason", "no_permit"),
        ("  detail", "NOT EXECUTED. The rules do not allow it."),
    ]


def test_a_tool_result_is_shown_as_text() -> None:
    """What the model reads, and whether it is an error."""
    assert list(tell.answer_rows("error", ["NOT EXECUTED."])) == [
        ("agent gets", "a tool result with isError"),
        ("", "NOT EXECUTED."),
    ]
    assert next(iter(tell.answer_rows("ok", ["fine"]))) == ("agent gets", "a tool result")


def test_other_answers_are_shown_as_they_are() -> None:
    """JSON on a line, text as text, and what is very long with its length."""
    assert list(tell.answer_rows(200, {"a": 1})) == [("agent gets", '200 {"a": 1}')]
    (row,) = tell.answer_rows(200, "x" * 500)
    assert row[1].endswith("... (500 characters)")


def test_long_texts_stay_in_their_column(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrapped to the terminal, beside their label, with no word broken."""
    tell.exchange(
        {
            "asked": "GET https://x.example/",
            "sent": '{"a": 1}',
            "status": 403,
            "answer": PROBLEM
            | {
                "detail": "word " * 40,
            },
        }
    )
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= tell.width() for line in lines)
    assert lines[0].split() == ["agent", "asks", "GET", "https://x.example/"]
    assert all(line.startswith(" " * 16) for line in lines if line.strip().startswith("word"))


def test_a_link_is_never_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """However long, it is on one line, to be clicked or copied."""
    url = "http://127.0.0.1:1/sign-in?code=" + "c" * 200
    tell.link(url)
    assert url in capsys.readouterr().out.splitlines()[0]


def test_a_story_that_differs_stops() -> None:
    """What was expected, and what was found instead, is said."""
    tell.expect(1, "one")
    with pytest.raises(tell.StoryDiffersError, match="the story differs: the note is there; found 'gone'"):
        tell.expect("", "the note is there", "gone")
