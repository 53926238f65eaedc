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
from proxy.cli.options import DEFAULT_CONFIG, Config
from proxy.errors import CountersignError

if TYPE_CHECKING:
    import httpx


def run(
    context: typer.Context,
    agent: Annotated[str, typer.Option(help="The agent's id in the inventory.", metavar="ID")],
    on_behalf_of: Annotated[str | None, typer.Option("--for", metavar="PERSON", help="The human it acts for.")] = None,
    task: Annotated[str | None, typer.Option(help="The task it belongs to; a new one if absent.", metavar="ID")] = None,
    purpose: Annotated[str, typer.Option(help="What it is for, in a few words.", metavar="TEXT")] = "",
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Run a program whose calls go through Countersign.

    The program gets a fresh handle in its environment; the handle is revoked when the program ends.
    Signals are passed on, and its exit status is ours; 2 if it cannot be started under governance.

    \b
    countersign run --agent support-bot --for alice -- python agent.py
    countersign run --agent support-bot -- claude -p "close ticket 7"
    countersign run --agent support-bot -- sh -c 'curl -s https://crm.example.com/api/customers/7'
    """
    command = context.args[1:] if context.args[:1] == ["--"] else context.args
    if not command:
        raise CountersignError("there is no program to run: `countersign run --agent ID -- CMD ...`")
    if shutil.which(command[0]) is None:
        raise CountersignError(f"cannot run `{command[0]}`: there is no such program")
    wanted: dict[str, Json] = {
        "agent": agent,
        "on_behalf_of": on_behalf_of,
        "task": task,
        "purpose": purpose or Path(command[0]).name,
    }
    body: dict[str, Json] = {key: value for key, value in wanted.items() if value is not None}
    raise typer.Exit(asyncio.run(_run(config, body, command)))


async def _run(config: Path, wanted: dict[str, Json], command: list[str]) -> int:
    with relayed() as relay:
        async with control(config, running=True) as client:
            status = await request(client, "GET", "/v1/status")
            made = await request(client, "POST", "/v1/handles", wanted)
            try:
                return await relay.run(command, _environment(status, made))
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
