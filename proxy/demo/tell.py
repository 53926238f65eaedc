"""How the demo speaks: one screen a story, the real request and the real answer."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from proxy.errors import CountersignError

_console = Console(highlight=False, markup=False, soft_wrap=True)
_WIDTH = 400


class StoryDiffersError(CountersignError):
    """What happened is not what the story tells. The demo ends with a non-zero status."""


def title(number: int, text: str) -> None:
    """The heading of a story."""
    _console.print()
    _console.rule(f"{number}. {text}", align="left", style="cyan")


def words(text: str) -> None:
    """A plain sentence."""
    _console.print(text)


def exchange(line: Mapping[str, Any]) -> None:
    """What the agent asked, and what it got."""
    _console.print(f"  agent asks    {line['asked']}", style="dim")
    answer = line.get("answer")
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    shown = text if len(text) <= _WIDTH else f"{text[:_WIDTH]}... ({len(text)} characters)"
    good = line.get("status") in {200, 201, "ok"}
    _console.print(f"  agent gets    {line.get('status')} {shown}", style="green" if good else "yellow")


def block(text: str) -> None:
    """Output of another command, as it is."""
    for line in text.rstrip().splitlines():
        _console.print(f"  {line}", style="dim")


def expect(condition: object, what: str, found: object = "") -> None:
    """The story goes on only if this is true."""
    if not condition:
        raise StoryDiffersError(f"the story differs: {what}" + (f"; found {found!r}" if found != "" else ""))
