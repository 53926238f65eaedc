"""`countersign trace`: one story as a tree, from the human to the tool."""

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.audit import Log, log_directory
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config
from proxy.errors import CountersignError


def trace(
    what: Annotated[str, typer.Argument(help="A task's id, a call's id, or a hold's id.")],
    log: Log = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show a task, a call or a hold as a tree: who, for whom, through whom, what was decided, what came of it.

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
    for line in render_tree(records):
        print(line)


def _records(directory: Path, what: str) -> list[dict[str, object]]:
    from telemetry import reader

    if what.startswith("call_"):
        return reader.find(directory, call=what)
    if what.startswith("hld_"):
        return reader.find(directory, hold=what)
    return reader.find(directory, task=what)
