"""`countersign trace`: one story as a tree, from the human to the tool."""

import re
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proxy.cli import show
from proxy.cli.audit import Log, log_directory
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config
from proxy.errors import CountersignError

if TYPE_CHECKING:
    from telemetry.reader import Wanted

BRANCHES = " │├└─"
NARROWEST = 30  # columns for words; with fewer, a line left whole reads better
ALL = sys.maxsize  # records: a story with a part left out is none
TRACE = re.compile(r"[0-9a-f]{32}")  # the txn of a Txn-Token is one, too


def trace(
    what: Annotated[
        str,
        typer.Argument(
            help="The id of a task, a call, a hold or a trace (a Txn-Token's txn); principal:ID, process:ID, agent:ID."
        ),
    ],
    log: Log = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show what happened as a tree.

    Of a task, a call or a hold, or all that was for a person or by an agent. Under which task, who, for whom, through
    whom and how each step was proven, what was decided, what came of it; of a refusal also why, in more words than
    the agent was told. By the `txn` of a Txn-Token: the call that its service was told of.

    \b
    countersign trace call_01a2...
    countersign trace task_01a2...
    countersign trace principal:bob      everything that was done for Bob, through whichever agents
    countersign trace agent:support-bot
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


def _records(directory: Path, what: str) -> list[dict[str, Any]]:
    from telemetry import reader

    whose = _whose(what)
    if whose:
        return _story_of(directory, reader.find(directory, limit=ALL, **whose))
    if what.startswith("call_"):
        found = reader.find(directory, call=what, limit=ALL)
        task = next((str(record["task"]) for record in found if record.get("task")), "")
        return [*(reader.find(directory, task=task, kind="task.", limit=ALL) if task else ()), *found]
    if what.startswith("hld_"):
        return reader.find(directory, hold=what, limit=ALL)
    return reader.find(directory, task=what, limit=ALL)


def _whose(what: str) -> "Wanted | None":
    """What to look for where many calls are meant; the words are those of `countersign revoke`."""
    kind, _, name = what.partition(":")
    match kind:
        case "principal" if name:
            return {"root": f"human:{name}"}
        case "process" if name:
            return {"root": f"business_process:{name}"}
        case "agent" if name:
            return {"agent": name}
        case _:
            return {"trace": what} if TRACE.fullmatch(what) else None


def _story_of(directory: Path, about: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These records, with all others of their calls, holds and tasks: how a call ended does not say once more whose."""
    from telemetry import reader

    if not about:
        return []
    calls, tasks, holds = ({_id(record, of) for record in about} - {""} for of in ("call", "task", "approval"))

    def belongs(record: dict[str, Any]) -> bool:
        of_task = str(record.get("type", "")).startswith("task.") and _id(record, "task") in tasks
        return of_task or _id(record, "call") in calls or _id(record, "approval") in holds

    return [record for record in reader.records(directory) if belongs(record)]


def _id(record: dict[str, Any], of: str) -> str:
    value = record.get(of) or ""
    return str(value.get("id", "") if isinstance(value, dict) else value)
