"""`countersign trace`: one story as a tree, from the human to the tool."""

import re
import shutil
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.audit import Log, log_directory
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config
from proxy.errors import CountersignError

BRANCHES = " │├└─"
_TXN = re.compile(r"[0-9a-f]{32}")
NARROWEST = 30  # columns for words; with fewer, a line left whole reads better


def trace(
    what: Annotated[str, typer.Argument(help="The id of a task, a call or a hold, or the txn of a Txn-Token.")],
    log: Log = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show a task, a call or a hold as a tree.

    Under which task, who, for whom, through whom and how each step was proven, what was decided, what came of it. By
    the `txn` of a Txn-Token: the call that its service was told of.

    \b
    countersign trace task_01a2...
    countersign trace call_01a2...
    """
    from telemetry.tree import render_tree

    records = _records(log_directory(log, config), what)
    if not records:
        raise CountersignError(f"the audit log has no record of `{what}`")
    if json:
        for record in records:
            show.as_json(record)
        return
    width = shutil.get_terminal_size((0, 0)).columns
    for line in render_tree(records):
        for piece in wrapped(line, width):
            print(piece)


def wrapped(line: str, width: int) -> list[str]:
    """A line of the tree as lines of at most this width (0: as it is), which leave the branches in their columns."""
    text = line.lstrip(BRANCHES)
    branches = line[: len(line) - len(text)]
    below = branches.replace("├", "│").replace("└", " ").replace("─", " ") + "     "
    if not 0 < width < len(line) or width - len(below) < NARROWEST:
        return [line]
    return textwrap.wrap(
        text,
        width,
        initial_indent=branches,
        subsequent_indent=below,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _records(directory: Path, what: str) -> list[dict[str, object]]:
    from telemetry import reader

    if _TXN.fullmatch(what):
        what = next((str(record["call"]) for record in reader.find(directory, txn=what)), what)
    if what.startswith("call_"):
        found = reader.find(directory, call=what)
        task = next((str(record["task"]) for record in found if record.get("task")), "")
        return [*(reader.find(directory, task=task, kind="task.") if task else ()), *found]
    if what.startswith("hld_"):
        return reader.find(directory, hold=what)
    return reader.find(directory, task=what)
