"""`countersign revoke`, `lift` and `revocations`: end a path at once, and see what has been ended."""

from typing import Annotated
from urllib.parse import quote

import typer

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config

Scope = Annotated[
    str,
    typer.Argument(
        help="agent:ID, task:ID, handle:ID, owner:ID, principal:ID, service:ID, tool:SERVICE/NAME, or global."
    ),
]
Why = Annotated[str, typer.Option(help="Why; it is recorded.")]


def revoke(
    scope: Scope, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """End everything under a scope, at once.

    Calls are refused, open connections and streams cut within a second, until it is lifted.

    \b
    countersign revoke agent:support-bot --reason "behaves strangely"
    countersign revoke global --reason "incident 7"
    """
    answer = call(config, "POST", "/v1/revocations", {"scope": scope, "reason": reason}, as_person=as_person)
    show.as_json(answer) if json else print(f"{scope} is ended")


def lift(
    scope: Scope, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """Lift a revocation.

    What it ended may call again, with the credentials that it had.

    \b
    countersign lift agent:support-bot --reason "checked, was a test"
    """
    path = f"/v1/revocations?scope={quote(scope, safe='')}"
    answer = call(config, "DELETE", path, {"reason": reason}, as_person=as_person)
    show.as_json(answer) if json else print(f"{scope} is lifted")


def revocations(config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """List what is ended at the moment.

    \b
    countersign revocations
    countersign revocations --json | jq -r ".[].scope"
    """
    rows = call(config, "GET", "/v1/revocations")["revocations"]
    if json:
        show.as_json(rows)
        return
    for row in rows:
        row["since"] = show.moment(row["at"])
    columns = {"scope": "scope", "since": "since", "by": "by", "reason": "reason"}
    show.table(rows, columns, empty="nothing is revoked")
