"""How answers are printed: JSON for programs, plain tables for people."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def as_json(value: object) -> None:
    """One JSON document, or one value a line where a list is meant for a stream."""
    print(json.dumps(value, ensure_ascii=False, sort_keys=True))


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, empty: str) -> None:
    """A table of these columns (title to key), or the sentence that says there is nothing."""
    if not rows:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, header_style="bold")
    for title in columns:
        grid.add_column(title, overflow="fold")
    for row in rows:
        grid.add_row(*(_cell(row.get(key)) for key in columns.values()))
    Console(highlight=False, markup=False).print(grid)


def moment(seconds: float | None) -> str:
    """UNIX seconds as people read them: UTC to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ") if seconds else "-"


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
