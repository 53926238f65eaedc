"""`countersign holds`: calls that wait for sign-off."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config

app = typer.Typer(name="holds", help="See held calls, decide them, and say what became of them.", no_args_is_help=True)

_FIRST = ("id", "code", "state", "effect", "agent", "owner", "decide_by", "may_decide", "needs", "problem", "card")
_CARD_FIRST = ("on_behalf_of", "reasons", "rollback", "allows", "arguments", "where", "datasets", "chain", "agent")

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
    show.document(as_read(hold))


def as_read(hold: Mapping[str, Any]) -> dict[str, Any]:
    """The whole hold in the order in which a person decides: what, for whom, why, until when; digests last."""
    card = {**{name: hold["card"][name] for name in _CARD_FIRST if name in hold["card"]}, **hold["card"]}
    return {**{name: hold[name] for name in _FIRST if name in hold}, **hold, "card": card}


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


@app.command()
def revoke(
    hold_id: HoldId,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Take back an approval that has not been used.

    \b
    countersign holds revoke hld_01a2... --as alice --reason "the customer has cancelled"
    """
    _say(hold_id, "revoke", {"reason": reason}, as_person, config, json)


@app.command()
def reconcile(
    hold_id: HoldId,
    executed: Annotated[bool, typer.Option("--executed/--not-executed", help="Whether the call happened.")],
    evidence: Annotated[str, typer.Option(help="How you know; it is recorded.")],
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Say what became of a call whose outcome is unknown.

    Until then the same call is refused.

    \b
    countersign holds reconcile hld_01a2... --executed --evidence "refund 77 is in the ledger" --as alice
    countersign holds reconcile hld_01a2... --not-executed --evidence "the ledger has no such refund" --as alice
    """
    _say(hold_id, "reconcile", {"executed": executed, "evidence": evidence}, as_person, config, json)


def _vote(hold_id: str, decision: str, reason: str, as_person: str | None, config: Path, json: bool) -> None:
    hold = call(config, "GET", f"/v1/holds/{hold_id}", as_person=as_person)
    body = {"action_digest": hold["action_digest"], "row_version": hold["row_version"], "reason": reason}
    _say(hold_id, decision, body, as_person, config, json)


def _say(hold_id: str, what: str, body: Mapping[str, Any], as_person: str | None, config: Path, json: bool) -> None:
    answer = call(config, "POST", f"/v1/holds/{hold_id}/{what}", body, as_person=as_person)
    show.as_json(answer) if json else print(f"{hold_id} is {answer['state']}: {answer['effect']}{awaited(answer)}")


def awaited(hold: Mapping[str, Any]) -> str:
    """What a hold still waits for after this answer."""
    if hold["state"] != "pending":
        return ""
    if hold["problem"] == "no_eligible_approver":
        return "\nthose who may sign it are not enough; whom a call is made for cannot be the only one"
    return f"\nit also waits for: {', '.join(hold['may_decide'])}"
