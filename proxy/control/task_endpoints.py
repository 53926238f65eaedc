"""What the routes of tasks do. Times are UNIX seconds; amounts are numbers as people write them."""

from functools import partial
from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.control import bodies
from proxy.control.desk import Desk
from proxy.control.endpoints import flag
from proxy.control.tasks import AskedTask
from proxy.errors import Declined
from proxy.tasks.budget import UNIT, Budget, Spend, millionths
from proxy.tasks.task import Task


class SpendLimit(bodies.Body):
    """At most `limit`, summed over this argument (a dotted path) of this `service/tool`."""

    tool: bodies.Short
    argument: bodies.Short
    limit: int | float | str


class BudgetLimits(bodies.Body):
    calls: int | None = None
    spend: list[SpendLimit] = Field(default_factory=list, max_length=32)


class CreateTask(bodies.Body):
    """`tools` are `service/tool` or `service/*`, `datasets` `read:id` or `write:id`; what is not there is refused."""

    agent: bodies.Short
    purpose: bodies.Reason
    ticket: bodies.Short = ""
    tools: list[str] = Field(max_length=128)
    datasets: list[str] = Field(default_factory=list, max_length=128)
    budget: BudgetLimits = BudgetLimits()
    on_behalf_of: bodies.Short | None = None
    process: bodies.Short | None = None
    parent: bodies.Short | None = None
    ttl_seconds: int | None = None


def task_json(task: Task, used: dict[str, int]) -> dict[str, Any]:
    """A task for programs: what it is, where it stands, whom it is for, and what it has used."""
    return {
        "id": task.id,
        "agent": task.agent,
        "purpose": task.purpose,
        "ticket": task.ticket,
        "tools": list(task.tools),
        "datasets": list(task.datasets),
        "budget": {
            "calls": task.budget.calls,
            "calls_used": used.get("calls", 0),
            "spend": [
                {
                    "tool": one.tool,
                    "argument": one.argument,
                    "limit": one.limit / UNIT,
                    "used": used.get(one.name, 0) / UNIT,
                }
                for one in task.budget.spend
            ],
        },
        "parent": task.parent,
        "root": {"kind": task.root.kind, "id": task.root.id},
        "chain": [
            {
                "kind": link.delegate.kind,
                "id": link.delegate.id,
                "level": link.proof.level,
                "method": link.proof.method,
                "grant": link.grant,
            }
            for link in task.delegation.links
        ],
        "created_at": task.created_at,
        "created_by": task.created_by,
        "deadline": task.deadline,
        "state": task.state,
        "changed_at": task.changed_at,
        "changed_by": task.changed_by,
        "reason": task.reason,
    }


async def create_task(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, CreateTask)
    task = await desk.tasks.create(
        AskedTask(
            agent=body.agent,
            purpose=body.purpose,
            tools=tuple(body.tools),
            datasets=tuple(body.datasets),
            ticket=body.ticket,
            budget=_budget(body.budget),
            on_behalf_of=body.on_behalf_of,
            process=body.process,
            parent=body.parent,
            ttl=body.ttl_seconds,
        )
    )
    return JSONResponse(task_json(task, {}), 201)


async def list_tasks(request: Request, desk: Desk) -> Response:
    tasks = await desk.tasks.list(agent=request.query_params.get("agent"), live=flag(request, "live"))
    return JSONResponse({"tasks": [task_json(task, await desk.tasks.spent(task)) for task in tasks]})


async def show_task(request: Request, desk: Desk) -> Response:
    task = await desk.tasks.get(request.path_params["id"])
    return JSONResponse(task_json(task, await desk.tasks.spent(task)))


async def complete_task(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Why)
    task = await desk.tasks.end(request.path_params["id"], "completed", body.reason)
    return JSONResponse(task_json(task, await desk.tasks.spent(task)))


async def _pause(request: Request, desk: Desk, what: Literal["suspend", "resume"]) -> Response:
    body = await bodies.read(request, bodies.Why)
    task = await desk.tasks.pause(request.path_params["id"], what, body.reason)
    return JSONResponse(task_json(task, await desk.tasks.spent(task)))


suspend_task = partial(_pause, what="suspend")
resume_task = partial(_pause, what="resume")


def _budget(asked: BudgetLimits) -> Budget:
    try:
        spend = tuple(Spend(one.tool, one.argument, millionths(one.limit)) for one in asked.spend)
    except ValueError as error:
        raise Declined(422, "budget_invalid", "a `limit` is a number that is not negative") from error
    return Budget(asked.calls, spend)
