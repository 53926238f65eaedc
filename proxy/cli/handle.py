"""`countersign handle`: connection handles, with which agents show who they are."""

from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.api import call, every_page
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config
from proxy.cli.task import quoted

app = typer.Typer(name="handle", help="Issue, list and revoke connection handles.", no_args_is_help=True)


@app.command()
def issue(
    agent: Annotated[str, typer.Argument(help="The agent's id in the inventory.")],
    task: Annotated[str | None, typer.Option(help="The task it belongs to; a new one if absent.")] = None,
    purpose: Annotated[str, typer.Option(help="What it is for, in a few words.")] = "",
    on_behalf_of: Annotated[str | None, typer.Option("--for", metavar="PERSON", help="The human it acts for.")] = None,
    ttl: Annotated[int | None, typer.Option(help="Seconds until it ends.")] = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Issue a handle. It is shown once, and never again.

    \b
    countersign handle issue support-bot --for alice --ttl 3600
    export HTTPS_PROXY=http://support-bot:$(countersign handle issue support-bot --json | jq -r .handle)@127.0.0.1:8080
    """
    body = {"agent": agent, "task": task, "purpose": purpose, "on_behalf_of": on_behalf_of, "ttl_seconds": ttl}
    made = call(config, "POST", "/v1/handles", {key: value for key, value in body.items() if value is not None})
    if json:
        show.as_json(made)
        return
    print(made["handle"])
    typer.echo(
        f"{made['id']}: {made['agent']}, task {made['task']}, until {show.moment(made['not_after'])}. "
        "It is not stored: keep it now, or issue another.",
        err=True,
    )


@app.command(name="list")
def list_(
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """List handles: those that live, or all.

    \b
    countersign handle list --agent support-bot --all
    """
    query = "&".join(filter(None, [f"agent={quoted(agent)}" if agent else "", "" if every else "live=true"]))
    rows = every_page(config, f"/v1/handles?{query}", "handles")
    if json:
        show.as_json(rows)
        return
    for row in rows:
        row["until"] = show.moment(row["not_after"])
        row["state"] = "revoked" if row.get("revoked_at") else "live" if row.get("live", True) else "ended"
    columns = {"id": "id", "agent": "agent", "for": "on_behalf_of", "task": "task", "until": "until", "state": "state"}
    show.table(rows, columns, empty="no handles")


@app.command()
def revoke(
    handle_id: Annotated[str, typer.Argument(help="The handle's id (hnd_...), not the handle.")],
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Revoke a handle.

    Its calls are refused, and its open connections cut within a second.

    \b
    countersign handle revoke hnd_01a2... --reason "laptop lost"
    """
    answer = call(config, "POST", f"/v1/handles/{handle_id}/revoke", {"reason": reason})
    if json:
        show.as_json(answer)
        return
    print(f"{handle_id} is revoked")
    if answer["note"]:
        typer.echo(f"countersign: {answer['note']}", err=True)
