"""`countersign review`: what is due for review, and its owner's word that it is still needed."""

from typing import Annotated, Any

import typer

from policies.model import Json
from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config

app = typer.Typer(
    name="review",
    help="See what is due for review, and attest or end it.",
    invoke_without_command=True,
    no_args_is_help=False,
)

What = Annotated[str, typer.Argument(help="agent:ID or process:ID.")]


@app.callback()
def list_(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also what is not due soon.")] = False,
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """List what is due for review, the most urgent first, and what has lost its owner.

    \b
    countersign review
    countersign review --all --json | jq -r ".reviews[] | select(.overdue) | .what"
    """
    if context.invoked_subcommand is not None:
        return
    answer = call(config, "GET", f"/v1/reviews?all={'true' if every else 'false'}", as_person=as_person)
    if json:
        show.as_json(answer)
        return
    for row in answer["reviews"]:
        row["due"] = _due(row)
        row["standing"] = show.standing(row["standing"])
        if row["answers"] not in {"", row["owner"]}:
            row["owner"] = f"{row['owner']}, who left; {row['answers']}"
        row["class"] = row["facts"].get("agent_class", "process")
        row["purpose"] = row["facts"]["purpose"]
    columns = {"what": "what", "due": "due", "owner": "owner", "class": "class", "stands": "standing",
               "purpose": "purpose"}  # fmt: skip
    show.table(answer["reviews"], columns, empty="no review is due soon")
    if answer["orphaned"]:
        print()
        show.table(answer["orphaned"], {"orphaned": "what", "owner who left": "owner", "deputy": "deputy",
                                        "what follows": "follows"}, empty="")  # fmt: skip


@app.command(name="show")
def show_(what: What, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Show every fact that an attestation would vouch for.

    \b
    countersign review show agent:support-bot
    """
    item = call(config, "GET", f"/v1/reviews/{what}", as_person=as_person)
    show.as_json(item) if json else show.document({**item, "standing": show.standing(item["standing"])})


@app.command()
def attest(
    what: What,
    note: Annotated[str, typer.Option(help="What was looked at; it is recorded.")],
    as_person: As = None,
    digest: Annotated[
        str | None, typer.Option(help="Of the facts that were looked at (`review show`); those of now if absent.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Attest that it is still needed, and still as it is written. Only its owner can.

    \b
    countersign review attest agent:support-bot --as olivia --note "scope and handles checked"
    """
    if digest is None:
        item = call(config, "GET", f"/v1/reviews/{what}", as_person=as_person)
        digest = str(item["digest"])
        if not json and item["may_attest"]:
            show.document(item["facts"])
    body: dict[str, Json] = {"digest": digest, "note": note}
    answer = call(config, "POST", f"/v1/reviews/{what}/attest", body, as_person=as_person)
    show.as_json(answer) if json else print(f"{what} is attested; its next review is due {_due(answer)}")


@app.command()
def end(
    what: What,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")],
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """End what is no longer needed. Its calls are refused, and its connections cut within a second.

    \b
    countersign review end agent:old-bot --reason "replaced by support-bot"
    """
    answer = call(config, "POST", f"/v1/reviews/{what}/end", {"reason": reason}, as_person=as_person)
    show.as_json(answer) if json else print(f"{what} is ended")


def _due(item: dict[str, Any]) -> str:
    if item["due"] is None:
        return "now (never attested as privileged)"
    return f"{item['due']} OVERDUE" if item["overdue"] else f"{item['due']}, in {item['days']} days"
