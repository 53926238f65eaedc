"""`countersign agent`: who answers for each agent, and how it stands."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from proxy.cli import show
from proxy.cli.api import call, every_page
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config
from proxy.cli.task import quoted

app = typer.Typer(name="agent", help="See agents, who answers for them, and how they stand.", no_args_is_help=True)


@app.command(name="list")
def list_(as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """List agents, with who answers for each.

    \b
    countersign agent list
    countersign agent list --json | jq -r '.[] | select(.standing != "") | .id'
    """
    rows = every_page(config, "/v1/agents?", "agents", as_person=as_person)
    if json:
        show.as_json(rows)
        return
    for row in rows:
        row["stands"] = _stands(row)
        row["review_due"] = row["review_due"] or "now"
    columns = {"id": "id", "owner": "owner", "stands": "stands", "expires": "expires", "review due": "review_due"}
    show.table(rows, columns | {"purpose": "purpose"}, empty="no agents")


@app.command(name="show")
def show_(
    agent: Annotated[str, typer.Argument(help="The agent's id in the inventory.")],
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Show one agent, and what lives under it.

    \b
    countersign agent show support-bot
    """
    found = call(config, "GET", f"/v1/agents/{quoted(agent)}", as_person=as_person)
    show.as_json(found) if json else show.document(_told(found))


def _told(agent: Mapping[str, Any]) -> dict[str, Any]:
    """The agent's facts, and what it is doing, with every time in words."""
    left_out = {"standing", "detail", "ended_by", "owner_name", "deputies", "identities", "may_end", "may_lift"}
    left_out |= {"handles", "tasks", "restraint", "deputy"}
    by = f"({agent['ended_by']})" if agent["ended_by"] else ""
    said = ": ".join(part for part in (_stands(agent), agent["restraint"] or agent["detail"]) if part)
    return {
        "stands": f"{said} {by}".rstrip(),
        **{name: value for name, value in agent.items() if name not in left_out},
        "deputies": {one["person"]: f"{one['start']} to {one['end']}" for one in agent["deputies"]},
        "identities": [f"{one['issuer']} {one['subject']}" for one in agent["identities"]],
        "tasks": {
            one["id"]: f"{one['state']} until {show.moment(one['deadline'])}: {one['purpose']}"
            for one in agent["tasks"]
        },
        "handles": {
            one["id"]: f"until {show.moment(one['not_after'])}"
            + (f", for {one['on_behalf_of']}" if one["on_behalf_of"] else "")
            for one in agent["handles"]
        },
    }


def _stands(agent: Mapping[str, Any]) -> str:
    """How it stands, in a few words."""
    if not agent["standing"] and agent["restraint"]:
        return "Each call waits for a person"
    words = show.standing(agent["standing"])
    return f"{words}, {agent['deputy']} answers for it" if agent["deputy"] else words
