"""`countersign task`: bounded pieces of work, under which agents act."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Annotated, Any

import typer

from policies.model import Json
from proxy.cli import show
from proxy.cli.api import call
from proxy.cli.options import DEFAULT_CONFIG, As, AsJson, Config
from proxy.errors import CountersignError

app = typer.Typer(name="task", help="Begin, see, suspend and end tasks.", no_args_is_help=True)

TaskId = Annotated[str, typer.Argument(help="The task's id (task_...).")]
Why = Annotated[str, typer.Option(help="Why; it is recorded.")]
Tools = Annotated[
    list[str], typer.Option("--tool", metavar="SERVICE/TOOL", help="What it may use, or SERVICE/*; once for each.")
]
Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", metavar="read:ID", help="Data it may touch, or write:ID.")
]


@app.command()
def begin(  # noqa: PLR0913, PLR0917 - each is an option that a person sees
    agent: Annotated[str, typer.Option(metavar="ID", help="The agent that does it.")],
    purpose: Annotated[str, typer.Option(metavar="TEXT", help="What it is for; it is recorded.")],
    tools: Tools,
    datasets: Datasets = None,
    ticket: Annotated[str, typer.Option(metavar="TEXT", help="Where the work is tracked.")] = "",
    ttl: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Seconds until it ends; an hour if absent.")
    ] = None,
    deadline: Annotated[str | None, typer.Option(metavar="TIME", help="Or when: 2026-11-30T18:00:00Z.")] = None,
    calls: Annotated[int | None, typer.Option(metavar="N", help="At most so many calls.")] = None,
    spend: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVICE/TOOL:ARG=LIMIT", help="At most so much, summed over this argument."),
    ] = None,
    on_behalf_of: Annotated[str | None, typer.Option("--for", metavar="PERSON", help="The human it acts for.")] = None,
    process: Annotated[str | None, typer.Option(metavar="ID", help="Or the business process.")] = None,
    parent: Annotated[str | None, typer.Option(metavar="TASK", help="The task that it is a part of.")] = None,
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """Begin a task, and print its id.

    What is not declared is refused under it. Handles and tokens that are issued for it end with it.

    \b
    countersign task begin --agent support-bot --purpose "refunds of today" --tool crm/create_refund --for alice
    countersign task begin --agent support-bot --purpose "close tickets" --tool "crm/*" --dataset read:customers \\
        --ticket OPS-7 --ttl 1800 --calls 50 --spend crm/create_refund:amount=500
    """
    if on_behalf_of is not None and process is not None:
        raise CountersignError("a task acts for a person or for a process: give --for or --process")
    body = asked(agent, purpose, tools, datasets, ttl=_ttl(ttl, deadline)) | {
        "ticket": ticket,
        "budget": budget(calls, spend or ()),
        "on_behalf_of": on_behalf_of,
        "process": process,
        "parent": parent,
    }
    made = call(config, "POST", "/v1/tasks", given(body), as_person=as_person)
    if json:
        show.as_json(made)
        return
    print(made["id"])
    typer.echo(f"{made['agent']} until {show.moment(made['deadline'])}: {show.plain(made['purpose'])}", err=True)


@app.command(name="list")
def list_(
    agent: Annotated[str | None, typer.Option(metavar="ID", help="Only this agent's.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Only those that have not ended.")] = False,
    as_person: As = None,
    config: Config = DEFAULT_CONFIG,
    json: AsJson = False,
) -> None:
    """List the newest tasks.

    \b
    countersign task list --live
    countersign task list --agent support-bot --json | jq -r ".[].purpose"
    """
    from urllib.parse import urlencode

    query = urlencode({"live": "true" if live else "false"} | ({"agent": agent} if agent else {}))
    rows = call(config, "GET", f"/v1/tasks?{query}", as_person=as_person)["tasks"]
    if json:
        show.as_json(rows)
        return
    for row in rows:
        row["until"] = show.moment(row["deadline"])
        row["for"] = _party(row["root"]) if row["root"]["kind"] != "agent" else "itself"
        row["used"] = "; ".join(_used(row["budget"]))
    columns = ("id", "state", "agent", "for", "until", "used", "purpose")
    show.table(rows, {name: name for name in columns}, empty="no tasks")


@app.command(name="show")
def show_(task_id: TaskId, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False) -> None:
    """Show one task, from who is behind it to what it used.

    \b
    countersign task show task_01a2...
    """
    task = call(config, "GET", f"/v1/tasks/{quoted(task_id)}", as_person=as_person)
    show.as_json(task) if json else show.document(_told(task))


@app.command()
def suspend(
    task_id: TaskId, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """Let nothing go on under a task until it is resumed.

    \b
    countersign task suspend task_01a2... --reason "wait for the customer"
    """
    _change(task_id, "suspend", reason, as_person, config, json)


@app.command()
def resume(
    task_id: TaskId, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """Let a suspended task go on.

    \b
    countersign task resume task_01a2... --reason "the customer has answered"
    """
    _change(task_id, "resume", reason, as_person, config, json)


@app.command()
def end(
    task_id: TaskId, reason: Why, as_person: As = None, config: Config = DEFAULT_CONFIG, json: AsJson = False
) -> None:
    """End a task that is done.

    Its handles, its tokens and the tasks below it end with it, and what is open is cut within a second. A task that
    must be stopped is revoked: `countersign revoke task:ID`.

    \b
    countersign task end task_01a2... --reason "all refunded"
    """
    _change(task_id, "complete", reason, as_person, config, json)


def asked(
    agent: str, purpose: str, tools: Sequence[str], datasets: Sequence[str] | None, *, ttl: int | None
) -> dict[str, Json]:
    """The least that a task is begun with."""
    return {
        "agent": agent,
        "purpose": purpose,
        "tools": list(tools),
        "datasets": list(datasets or ()),
        "ttl_seconds": ttl,
    }


def given(body: Mapping[str, Json]) -> dict[str, Json]:
    """The body without what was not asked for."""
    return {name: value for name, value in body.items() if value is not None}


def budget(calls: int | None, spend: Sequence[str]) -> dict[str, Json] | None:
    """The limits as the API reads them; None for none. `service/tool:argument=limit`."""
    limits: list[Json] = []
    for text in spend:
        place, equals, limit = text.rpartition("=")
        tool, colon, argument = place.rpartition(":")
        if not (equals and colon and tool and argument and limit):
            raise CountersignError(f"`{text}` is not a limit: write it as `service/tool:argument=limit`")
        limits.append({"tool": tool, "argument": argument, "limit": limit})
    if calls is None and not limits:
        return None
    return given({"calls": calls, "spend": limits})


def quoted(text: str) -> str:
    """An id as one part of a path."""
    from urllib.parse import quote

    return quote(text, safe="")


def _ttl(ttl: int | None, deadline: str | None) -> int | None:
    if deadline is None:
        return ttl
    if ttl is not None:
        raise CountersignError("give --ttl or --deadline, not both")
    try:
        at = datetime.fromisoformat(deadline)
    except ValueError as error:
        raise CountersignError(f"`{deadline}` is not a time: write it as 2026-11-30T18:00:00Z") from error
    if at.tzinfo is None:
        raise CountersignError(f"`{deadline}` does not say in which zone: write it as {at:%Y-%m-%dT%H:%M:%S}Z for UTC")
    left = int(at.astimezone(UTC).timestamp() - time())
    if left < 1:
        raise CountersignError(f"`{deadline}` is over")
    return left


def _change(task_id: str, what: str, reason: str, as_person: str | None, config: Path, json: bool) -> None:
    path = f"/v1/tasks/{quoted(task_id)}/{what}"
    task = call(config, "POST", path, {"reason": reason}, as_person=as_person)
    show.as_json(task) if json else print(f"{task_id} is {task['state']}")


def _told(task: Mapping[str, Any]) -> dict[str, Any]:
    """The task in the order in which a person asks: how it stands, who is behind it, what it may do, what it did."""
    said = f" by {task['changed_by']}" + (f": {task['reason']}" if task["reason"] else "")
    return {
        "task": task["id"],
        "state": task["state"] + (said if task["state"] not in {"created", "active"} else ""),
        "until": show.moment(task["deadline"]),
        "purpose": task["purpose"],
        "ticket": task["ticket"],
        "agent": task["agent"],
        "owner": task["owner"],
        "begun": f"{show.moment(task['created_at'])} by {task['created_by']}",
        "chain": {
            _party(task["root"]): "the root",
            **{_party(hop): f"{hop['level']}, by {hop['method']} ({hop['grant']})" for hop in task["chain"]},
        },
        "tools": task["tools"],
        "datasets": task["datasets"],
        "used": list(_used(task["budget"])) or "no limit",
        "parent": task["parent"],
        "below": {one["id"]: f"{one['state']}, {one['agent']}: {one['purpose']}" for one in task["below"]},
        **({"below, not yours to see": task["below_hidden"]} if task["below_hidden"] else {}),
        "handles": {
            one["id"]: f"until {show.moment(one['not_after'])}" + (f", {one['purpose']}" if one["purpose"] else "")
            for one in task["handles"]
        },
    }


def _party(party: Mapping[str, Any]) -> str:
    return f"{party['kind']}:{party['id']}"


def _used(limits: Mapping[str, Any]) -> Iterator[str]:
    if limits["calls"] is not None:
        yield f"{limits['calls_used']} of {limits['calls']} calls"
    for one in limits["spend"]:
        yield f"{one['used']:g} of {one['limit']:g} {one['tool']}:{one['argument']}"
