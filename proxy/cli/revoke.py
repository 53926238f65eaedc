"""`countersign revoke`, `freeze`, `lift` and `revocations`: end a path at once, and see what has been ended."""

import sys
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote

import typer

from proxy.cli import show
from proxy.cli.api import call, every_page
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config

Scope = Annotated[
    str,
    typer.Argument(
        help="global, or KIND:ID: agent, instance (AGENT/ID), class, team, owner, principal (ID or ISSUER|SUBJECT), "
        "process, partner, task, handle, token (ISSUER|ID), key (ISSUER|NAME), service, tool (SERVICE/NAME), "
        "credential, connection."
    ),
]
Kind = Literal["revoke", "freeze"]
_KINDS = {"revoke": "ended", "freeze": "frozen"}
Why = Annotated[str, typer.Option(help="Why; it is recorded.")]


def revoke(
    scope: Scope, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """End everything under a scope, at once.

    Calls are refused, open connections and streams cut within a second, until it is lifted. Approvals that were given
    and not used are void. What cannot be called back: requests that a service has already, and credentials that it
    gave out itself, until they expire there. It works while the store or the audit log is down, and says so.

    \b
    countersign revoke agent:support-bot --reason "behaves strangely"
    countersign revoke tool:crm/create_refund --reason "wrong amounts"
    countersign revoke principal:bob --reason "laptop stolen"    all that was begun for Bob; a new sign-in counts
    countersign revoke global --reason "incident 7"
    """
    _stop(scope, reason, "revoke", as_person, config, json)


def freeze(
    scope: Scope, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """Let nothing pass under a scope without a person's word.

    Streams are cut within a second. What policy allows is held until the accountable owner signs that very call;
    what it denies stays denied. Approvals from before the freeze are void.

    \b
    countersign freeze agent:support-bot --reason "odd pattern since noon"
    countersign freeze service:crm --reason "under maintenance"
    """
    _stop(scope, reason, "freeze", as_person, config, json)


def _stop(scope: str, reason: str, kind: str, as_person: str | None, config: Path, json: bool) -> None:
    body = {"scope": scope, "reason": reason, "kind": kind}
    answer = call(config, "POST", "/v1/revocations", body, as_person=as_person)
    if json:
        show.as_json(answer)
        return
    open_ = answer["connections"]
    cut = f"; {open_} open {'connection' if open_ == 1 else 'connections'} under it" if open_ else ""
    print(f"{scope} is {_KINDS[kind]}{cut}")
    if answer["note"]:
        print(f"countersign: {answer['note']}", file=sys.stderr)
    if kind == "revoke" and scope.startswith("principal:"):
        print(
            f"countersign: what is issued for them from now on lives; `countersign freeze {scope}` holds that too",
            file=sys.stderr,
        )


def lift(
    scope: Scope,
    reason: Why,
    only: Annotated[Kind | None, typer.Option(help="Lift the end alone, or the freeze alone.")] = None,
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Lift a revocation, a freeze, or both.

    What it ended may call again, with the credentials that it had. It needs the store and the audit log.

    \b
    countersign lift agent:support-bot --reason "checked, was a test"
    countersign lift principal:bob --only freeze --reason "it was he"
    """
    path = f"/v1/revocations?scope={quote(scope, safe='')}{'' if only is None else f'&kind={only}'}"
    answer = call(config, "DELETE", path, {"reason": reason}, as_person=as_person)
    lifted = "lifted" if only is None else f"no longer {_KINDS[only]}"
    show.as_json(answer) if json else print(f"{scope} is {lifted}")


def revocations(
    every: Annotated[
        bool, typer.Option("--all", help="Also single tasks, handles, tokens and sign-ins that are over.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """List what is ended or frozen at the moment.

    Tasks, handles, tokens and people's sign-ins end all the time: they are left out. JSON has them all.

    \b
    countersign revocations
    countersign revocations --json | jq -r ".[].scope"
    """
    all_of_it = every or json
    rows = every_page(config, f"/v1/revocations?{'' if all_of_it else 'over=false'}", "revocations")
    if json:
        show.as_json(rows)
        return
    over = not every and call(config, "GET", "/v1/revocations?over=true&limit=1")["revocations"]
    for row in rows:
        row["since"] = show.moment(row["at"])
        row["how"] = _KINDS[row["kind"]] + ("" if row["stored"] else ", not stored yet")
    columns = {"scope": "scope", "how": "how", "since": "since", "by": "by", "reason": "reason"}
    show.table(rows, columns, empty="nothing is revoked")
    if over:
        print(
            "countersign: single tasks, handles, tokens and sign-ins that are over are left out: --all lists them",
            file=sys.stderr,
        )
