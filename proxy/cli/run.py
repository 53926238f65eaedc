"""`countersign run`: a program under governance, with no change to its code."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from policies.model import Json
from proxy.cli import show
from proxy.cli.api import ApiError, control, request
from proxy.cli.child import relayed
from proxy.cli.environment import agent_environment
from proxy.cli.options import DEFAULT_CONFIG, Config, command
from proxy.cli.run_task import Datasets, Tools, Ttl, begun, wanted_task
from proxy.cli.task import given
from proxy.errors import CountersignError

if TYPE_CHECKING:
    import httpx


@command
def run(  # noqa: PLR0913, PLR0917 - each is an option that a person sees
    context: typer.Context,
    agent: Annotated[str, typer.Option(help="The agent's id in the inventory.", metavar="ID")],
    on_behalf_of: Annotated[str | None, typer.Option("--for", metavar="PERSON", help="The human it acts for.")] = None,
    task: Annotated[str | None, typer.Option(help="The task it belongs to; a new one if absent.", metavar="ID")] = None,
    purpose: Annotated[str, typer.Option(help="What it is for, in a few words.", metavar="TEXT")] = "",
    tools: Tools = None,
    datasets: Datasets = None,
    ttl: Ttl = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Run a program whose calls go through Countersign.

    The program gets a fresh handle in its environment; the handle is revoked when the program ends. With --tool a
    task is begun for it, which bounds its calls, and ends with it.
    Signals are passed on, and its exit status is ours; 2 if it cannot be started under governance.

    \b
    countersign run --agent support-bot --for alice -- python agent.py
    countersign run --agent support-bot --tool "crm/*" --dataset read:customers --ttl 600 -- python agent.py
    countersign run --agent support-bot -- claude -p "close ticket 7"
    countersign run --agent support-bot -- sh -c 'curl -s https://crm.example.com/api/customers/7'
    """
    program = context.args[1:] if context.args[:1] == ["--"] else context.args
    if not program:
        raise CountersignError("there is no program to run: `countersign run --agent ID -- CMD ...`")
    if shutil.which(program[0]) is None:
        raise CountersignError(f"cannot run `{program[0]}`: there is no such program")
    handle = given(
        {"agent": agent, "on_behalf_of": on_behalf_of, "task": task, "purpose": purpose or Path(program[0]).name}
    )
    new = wanted_task(handle, tools, datasets, ttl)
    raise typer.Exit(asyncio.run(_run(config, new, handle, program)))


async def _run(config: Path, new: dict[str, Json] | None, handle: dict[str, Json], program: list[str]) -> int:
    with relayed() as relay:
        async with control(config, running=True) as client:
            status = await request(client, "GET", "/v1/status")
            async with begun(client, new) as task:
                made = await request(client, "POST", "/v1/handles", handle | task)
                try:
                    return await relay.run(program, _environment(status, made))
                finally:
                    await _revoke(client, made)


async def _revoke(client: "httpx.AsyncClient", made: dict[str, Any]) -> None:
    """The program has ended; what it ended with stands, whether or not the server is still there."""
    try:
        await request(client, "POST", f"/v1/handles/{made['id']}/revoke", {"reason": "the program has ended"})
    except ApiError as error:
        print(
            f"countersign: the handle {made['id']} is not revoked ({error}); "
            f"it ends by itself at {show.moment(made['not_after'])}",
            file=sys.stderr,
        )


def _environment(status: dict[str, Any], made: dict[str, Any]) -> dict[str, str]:
    return agent_environment(
        os.environ,
        agent=made["agent"],
        handle=made["handle"],
        proxy=status["proxy"],
        gateway=status["gateway"],
        bundle=Path(status["bundle"]),
    )
