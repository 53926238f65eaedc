"""`countersign run`: a program under governance, with no change to its code."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from policies.model import Json
from proxy.cli import run_options, show
from proxy.cli.account import Account, read_account
from proxy.cli.api import ApiError, control, request
from proxy.cli.environment import BUNDLE_VARIABLES, agent_environment
from proxy.cli.options import DEFAULT_CONFIG, Config, command
from proxy.cli.run_task import Datasets, Tools, Ttl, begun, wanted_task
from proxy.cli.shim_wanted import ShimWanted
from proxy.cli.task import given
from proxy.errors import CountersignError

if TYPE_CHECKING:
    import httpx

    from proxy.shim.handles import Handles


@command
def run(  # noqa: PLR0913, PLR0917 - each is an option that a person sees
    context: typer.Context,
    agent: run_options.Agent,
    on_behalf_of: run_options.For = None,
    task: run_options.Task = None,
    purpose: run_options.Purpose = "",
    tools: Tools = None,
    datasets: Datasets = None,
    ttl: Ttl = None,
    user: run_options.User = None,
    shim: run_options.Shim = False,
    sources: run_options.With = None,
    through: run_options.Through = None,
    roots: run_options.Roots = None,
    token_url: run_options.TokenUrl = None,
    key: run_options.Key = None,
    config: Config = DEFAULT_CONFIG,
) -> None:
    """Run a program whose calls go through Countersign.

    The program gets a fresh handle in its environment; the handle is revoked when the program ends. With --tool a
    task is begun for it, which bounds its calls, and ends with it.
    Signals are passed on, and its exit status is ours; 2 if it cannot be started under governance.

    With --shim or --with, its environment leads to a shim on loopback, in this process, that renews the real
    credential and adds it to each request. It needs no server on this machine when --through and --roots are given.

    \b
    countersign run --agent support-bot --for alice -- python agent.py
    countersign run --agent support-bot --tool "crm/*" --dataset read:customers --ttl 600 -- python agent.py
    countersign run --agent support-bot -- claude -p "close ticket 7"
    countersign run --agent support-bot --user bot --shim -- python agent.py
    countersign run --agent support-bot --with k8s:/var/run/secrets/countersign/token \\
        --through https://gov.example.com:8443 --roots /etc/countersign/bundle.pem -- python agent.py
    """
    program = _program(context)
    handle = given(
        {"agent": agent, "on_behalf_of": on_behalf_of, "task": task, "purpose": purpose or Path(program[0]).name}
    )
    asked = _Asked(handle, wanted_task(handle, tools, datasets, ttl), user, config)
    wanted = None
    if shim or sources or through or roots or token_url or key:
        wanted = ShimWanted(agent, tuple(sources or ()), through, roots, token_url, key, config)
    import asyncio

    raise typer.Exit(asyncio.run(_run(asked, wanted, program)))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a handle is asked for, the task that is begun for it, if one is, and as whom the program runs."""

    handle: dict[str, Json]
    new_task: dict[str, Json] | None
    user: str | None
    config: Path


def _program(context: typer.Context) -> list[str]:
    program = context.args[1:] if context.args[:1] == ["--"] else context.args
    if not program:
        raise CountersignError("there is no program to run: `countersign run --agent ID -- CMD ...`")
    if shutil.which(program[0]) is None:
        raise CountersignError(f"cannot run `{program[0]}`: there is no such program")
    return program


async def _run(asked: _Asked, wanted: ShimWanted | None, program: list[str]) -> int:
    from proxy.cli.child import relayed

    with relayed() as relay:
        account = read_account(asked.user, _server_uid(asked.config)) if asked.user is not None else None
        surroundings = _plain(asked) if wanted is None else _shimmed(asked, wanted, account)
        async with surroundings as environment:
            with _as_of(account, environment) as own:
                return await relay.run(program, own, account)


@contextlib.asynccontextmanager
async def _plain(asked: _Asked) -> AsyncIterator[dict[str, str]]:
    """The environment with a handle in it."""
    async with control(asked.config, running=True) as client:
        status = await request(client, "GET", "/v1/status")
        async with begun(client, asked.new_task) as task, _handle(client, asked.handle | task) as made:
            yield _environment(status, made)


@contextlib.asynccontextmanager
async def _shimmed(asked: _Asked, wanted: ShimWanted, account: Account | None) -> AsyncIterator[dict[str, str]]:
    """The environment that leads to a shim; the handle, if there is to be one, stays here."""
    from proxy.cli.shimmed import asked_server, needs_handle, needs_server, read_wanted, shimmed_environment

    choices = read_wanted(wanted)
    by_handle = needs_handle(choices, wanted)
    if not by_handle and (asked.new_task or not asked.handle.keys().isdisjoint({"on_behalf_of", "task"})):
        raise CountersignError(
            "`--for`, `--task` and `--tool` are said by a handle; what `--with` shows says them itself"
        )
    user = (account.uid, account.gid) if account is not None else None
    async with (
        asked_server(wanted, needed=needs_server(choices, wanted)) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        handles = None
        if by_handle and server is not None:
            task = await stack.enter_async_context(begun(server.client, asked.new_task))
            handles = await stack.enter_async_context(_handles(server.client, asked.handle | task))
        yield await stack.enter_async_context(shimmed_environment(wanted, choices, server, handles, user))


@contextlib.asynccontextmanager
async def _handle(client: "httpx.AsyncClient", asked: dict[str, Json]) -> AsyncIterator[dict[str, Any]]:
    """A handle that ends with this."""
    made = await request(client, "POST", "/v1/handles", asked)
    try:
        yield made
    finally:
        await _revoke(client, made)


@contextlib.asynccontextmanager
async def _handles(client: "httpx.AsyncClient", asked: dict[str, Json]) -> AsyncIterator["Handles"]:
    """A handle that is renewed in time; all that were issued end with this."""
    from proxy.shim.handles import Handles

    async def issue(task: str | None) -> dict[str, Any]:
        return await request(client, "POST", "/v1/handles", asked | ({"task": task} if task else {}))

    handles = Handles(issue)
    try:
        await handles.token()  # who may have none is told so before the program starts
        yield handles
    finally:
        await handles.settle()
        for made in handles.issued:
            await _revoke(client, made)


async def _revoke(client: "httpx.AsyncClient", made: Mapping[str, Any]) -> None:
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


@contextlib.contextmanager
def _as_of(account: Account | None, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment for this user, with the roots where that user can read them: the state is closed to others."""
    if account is None:
        yield environment
        return
    with tempfile.TemporaryDirectory(prefix="countersign-") as name:
        folder = Path(name)
        bundle = folder / "bundle.pem"
        bundle.write_bytes(Path(environment[BUNDLE_VARIABLES[0]]).read_bytes())
        bundle.chmod(0o644)
        folder.chmod(0o755)
        yield account.environment({**environment, **dict.fromkeys(BUNDLE_VARIABLES, str(bundle))})


def _server_uid(config: Path) -> int | None:
    """Whose `countersign serve` is; None where there is none on this machine."""
    from proxy.errors import ConfigurationError
    from proxy.settings import load_settings

    try:
        return load_settings(config).state.stat().st_uid
    except (OSError, ConfigurationError):
        return None
