"""How answers are printed: JSON for programs, plain tables for people."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_TIMES = ("_at", "_by", "not_after")


def as_json(value: object) -> None:
    """One JSON document, or one value a line where a list is meant for a stream."""
    print(json.dumps(value, ensure_ascii=False, sort_keys=True))


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> None:
    """A table of these columns (title to key), or the sentence that says there is nothing.

    A cell is never broken: an id can be copied whole, whatever the width of the terminal.
    """
    if not rows:
        print(empty)
        return
    cells = [list(columns), *([_cell(row.get(key)) for key in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def document(value: Mapping[str, Any]) -> None:
    """One thing with its fields, one a line; what lies within is indented."""
    for line in _lines(value, ""):
        print(line)


def moment(seconds: float | None) -> str:
    """UNIX seconds as people read them: UTC to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else "-"


def standing(code: str) -> str:
    """How an agent or process stands, in the words that the console has for it."""
    from proxy.console.words import STANDINGS

    return STANDINGS.get(code, code)


def plain(text: str) -> str:
    """The text with nothing in it that moves the cursor, fakes a line or cannot be seen."""
    if text.isascii() and text.isprintable():
        return text
    from proxy.holds.card import visible

    return visible(text)


def _lines(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    width = max((len(name) for name in value), default=0) + 2
    for key, item in value.items():
        name = plain(key)
        if isinstance(item, Mapping) and item:
            yield f"{indent}{name}"
            yield from _lines(item, indent + "  ")
        elif isinstance(item, list) and item and all(isinstance(entry, Mapping) for entry in item):
            for number, entry in enumerate(item, 1):
                yield f"{indent}{name} {number}"
                yield from _lines(entry, indent + "  ")
        else:
            timed = isinstance(item, float | int) and not isinstance(item, bool) and name.endswith(_TIMES)
            yield f"{indent}{name:{width}}{moment(item) if timed else _cell(item)}"


def _cell(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return plain(str(value))
