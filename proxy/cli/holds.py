"""`countersign holds`: calls that wait for sign-off."""

from pathlib import Path
from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config

app = typer.Typer(name="holds", help="See held calls, and approve or deny them.", no_args_is_help=True)

HoldId = Annotated[str, typer.Argument(help="The hold's id (hld_...).")]


@app.command(name="list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """List what waits for sign-off.

    \b
    countersign holds list
    countersign holds list --all --json
    """
    rows = call(config, "GET", f"/v1/holds?state={'all' if every else 'pending'}")["holds"]
    if json:
        show.as_json(rows)
        return
    for row in rows:
        row["until"] = show.moment(row["decide_by"])
    columns = {"id": "id", "state": "state", "effect": "effect", "agent": "agent", "owner": "owner", "until": "until"}
    show.table(rows, columns, empty="nothing waits for sign-off")


@app.command(name="show")
def show_(hold_id: HoldId, config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Show one hold, as its approver sees it.

    \b
    countersign holds show hld_01a2...
    """
    hold = call(config, "GET", f"/v1/holds/{hold_id}")
    if json:
        show.as_json(hold)
        return
    show.document(hold)


@app.command()
def approve(
    hold_id: HoldId,
    as_person: As = None,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "",
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Approve this exact call, to run once.

    \b
    countersign holds approve hld_01a2... --as alice
    """
    _vote(hold_id, "approve", reason, as_person, config, json)


@app.command()
def deny(
    hold_id: HoldId,
    reason: Annotated[str, typer.Option(help="Why; the agent is told.")],
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Deny this call; the same call is refused from then on.

    \b
    countersign holds deny hld_01a2... --as alice --reason "needs a ticket"
    """
    _vote(hold_id, "deny", reason, as_person, config, json)


def _vote(hold_id: str, decision: str, reason: str, as_person: str | None, config: Path, json: bool) -> None:
    hold = call(config, "GET", f"/v1/holds/{hold_id}", as_person=as_person)
    body = {"action_digest": hold["action_digest"], "row_version": hold["row_version"], "reason": reason}
    answer = call(config, "POST", f"/v1/holds/{hold_id}/{decision}", body, as_person=as_person)
    show.as_json(answer) if json else print(f"{hold_id} is {answer['state']}: {answer['effect']}")
