"""`countersign keys`: the keys that we sign with, changed before their time."""

from typing import Annotated

import typer

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, AsJson, Config

app = typer.Typer(name="keys", help="Change the keys that Countersign signs with.", no_args_is_help=True)


@app.command()
def rotate(
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    of: Annotated[str, typer.Option(help="`calls`: task tokens, and accounts of calls; or `events`.")] = "calls",
    revoke_old: Annotated[
        bool, typer.Option("--revoke-old", help="What was signed before counts no more, from now on.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Sign with another key from now on.

    The old one verifies until what it signed has ended; with `--revoke-old` it is withdrawn at once, with every task
    token that it signed, and every task that was begun with one. Services that have read the keys ask for them anew
    within five minutes.

    \b
    countersign keys rotate --revoke-old --reason "a backup was stolen"
    """
    done = call(config, "POST", f"/v1/keys/{of}/rotate", {"reason": reason, "revoke_old": revoke_old})
    if json:
        show.as_json(done)
        return
    old = "is withdrawn" if done["withdrawn"] else "verifies until what it signed has ended"
    print(f"{done['signs']} signs now; {done['signed']} {old}")
    if done["note"]:
        typer.echo(f"countersign: {done['note']}", err=True)
