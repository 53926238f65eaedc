"""How the demo speaks: one screen a story, the real request and the real answer in plain words."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from proxy.errors import CountersignError

_console = Console(highlight=False, markup=False)
_LABEL = 14
_WIDEST = 110
_LONGEST = 400
_PROBLEM = {
    "reason": "reason",
    "detail": "detail",
    "hold_id": "hold",
}


class StoryDiffersError(CountersignError):
    """What happened is not what the story tells. The demo ends with a non-zero status."""


def width() -> int:
    """How wide we write."""
    return min(_console.width, _WIDEST)


def title(number: int, text: str) -> None:
    """The heading of a story."""
    _console.print()
    _console.rule(f"{number}. {text}", align="left", style="cyan")


def words(text: str) -> None:
    """A plain sentence."""
    _console.print(textwrap.fill(text, width(), break_long_words=False, break_on_hyphens=False), soft_wrap=True)


def link(url: str) -> None:
    """An address on a line of its own, whole, so that it can be clicked or copied."""
    _console.print(f"  {url}", style="bold", soft_wrap=True)


def exchange(line: Mapping[str, Any]) -> None:
    """What the agent asked, and what it got."""
    labelled("agent asks", str(line["asked"]), "dim")
    if line.get("sent"):
        labelled("", str(line["sent"]), "dim")
    rows = list(answer_rows(line.get("status"), line.get("answer")))
    style = "green" if line.get("status") in {200, 201, "ok"} else "yellow"
    for label, text in rows:
        labelled(label, text, style)


def answer_rows(status: object, answer: object) -> Iterator[tuple[str, str]]:
    """An answer as labelled rows: of a problem document, the fields that matter to the agent."""
    if isinstance(answer, dict) and {"reason", "detail"} <= answer.keys():
        yield "agent gets", f"{status} {answer.get('title', '')}".rstrip()
        for name, label in _PROBLEM.items():
            if answer.get(name):
                yield f"  {label}", str(answer[name])
        return
    if isinstance(answer, list) and all(isinstance(part, str) for part in answer):
        yield "agent gets", "a tool result" + (" with isError" if status == "error" else "")
        for part in answer:
            yield "", _cut(part)
        return
    yield "agent gets", f"{status} {_cut(answer if isinstance(answer, str) else json.dumps(answer))}"


def labelled(label: str, text: str, style: str) -> None:
    """A label, and beside it a text that stays in its column."""
    room = max(width() - _LABEL - 2, 30)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        _console.print(f"  {label if number == 0 else '':{_LABEL}}{line}", style=style, soft_wrap=True)


def block(text: str) -> None:
    """Output of another command, as it is."""
    for line in text.rstrip().splitlines():
        _console.print(f"  {line}", style="dim", soft_wrap=True)


def expect(condition: object, what: str, found: object = "") -> None:
    """The story goes on only if this is true."""
    if not condition:
        raise StoryDiffersError(f"the story differs: {what}" + (f"; found {found!r}" if found != "" else ""))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"
