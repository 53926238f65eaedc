"""The task that `countersign run` begins for a program, and ends with it."""

import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policies.model import Json
from proxy.cli import show
from proxy.cli.api import ApiError, request
from proxy.cli.task import asked, given
from proxy.errors import CountersignError

if TYPE_CHECKING:
    import httpx

Tools = Annotated[
    list[str] | None,
    typer.Option("--tool", metavar="SERVICE/TOOL", help="Begin a task that may use this, or SERVICE/*."),
]
Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", metavar="read:ID", help="Data that task may touch, or write:ID.")
]
Ttl = Annotated[int | None, typer.Option(metavar="SECONDS", help="Seconds until that task ends.")]


def wanted_task(
    handle: dict[str, Json], tools: Sequence[str] | None, datasets: Sequence[str] | None, ttl: int | None
) -> dict[str, Json] | None:
    """What a task is begun with, for whom the handle is asked; None if none is. `CountersignError` for half of one."""
    if not tools:
        if datasets or ttl is not None:
            raise CountersignError("--dataset and --ttl are of a task that is begun: give --tool too")
        return None
    if "task" in handle:
        raise CountersignError("a program runs under one task: give --task, or --tool to begin one")
    new = asked(str(handle["agent"]), str(handle["purpose"]), tools, datasets, ttl=ttl)
    return given(new | {"on_behalf_of": handle.get("on_behalf_of")})


@contextlib.asynccontextmanager
async def begun(client: "httpx.AsyncClient", new: dict[str, Json] | None) -> AsyncIterator[dict[str, Json]]:
    """What a handle under the new task is asked for beside the rest; nothing, if no task is wanted."""
    if new is None:
        yield {}
        return
    task = await request(client, "POST", "/v1/tasks", new)
    try:
        yield {"task": task["id"]}
    finally:
        await _end(client, task)


async def _end(client: "httpx.AsyncClient", task: dict[str, Any]) -> None:
    """The program has ended, and its task with it; unless somebody has ended that before."""
    try:
        await request(client, "POST", f"/v1/tasks/{task['id']}/complete", {"reason": "the program has ended"})
    except ApiError as error:
        print(
            f"countersign: the task {task['id']} was not ended by us ({error}); "
            f"it ends by itself at {show.moment(task['deadline'])}",
            file=sys.stderr,
        )
