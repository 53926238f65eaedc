"""Every door of the control API, with who may open it. A route that is not here does not exist."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from starlette.requests import Request
from starlette.responses import Response

from proxy.control import agent_endpoints, bodies, endpoints, key_endpoints, ownership_endpoints, task_endpoints
from proxy.control.desk import Desk
from proxy.control.door import Door


class Permission(StrEnum):
    """Who gets through the door. What they may see and do behind it is the desk's to say."""

    MEMBER = "member"
    PERSON = "person"
    OPERATOR = "operator"


type Handler = Callable[[Request, Desk], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route. `body` is the shape it reads; `status` is that of success."""

    method: str
    path: str
    permission: Permission
    handler: Handler
    summary: str
    body: type[bodies.Body] | None = None
    status: int = 200


def entries(door: Door) -> tuple[Entry, ...]:
    """All routes that need a desk. The few that need none are in `probes`."""
    member, person, operator = Permission.MEMBER, Permission.PERSON, Permission.OPERATOR

    async def events(request: Request, desk: Desk) -> Response:
        return await endpoints.events(request, desk, door)

    do, task, own, agent, key = endpoints, task_endpoints, ownership_endpoints, agent_endpoints, key_endpoints
    return (
        Entry("POST", "/v1/handles", operator, do.issue_handle, "Issue a handle", bodies.IssueHandle, 201),
        Entry("GET", "/v1/handles", member, do.list_handles, "List handles"),
        Entry("POST", "/v1/handles/{id}/revoke", member, do.revoke_handle, "Revoke a handle", bodies.Why),
        Entry("GET", "/v1/agents", member, agent.list_agents, "List agents"),
        Entry("GET", "/v1/agents/{id}", member, agent.show_agent, "Show an agent, and what lives under it"),
        Entry("POST", "/v1/tasks", member, task.create_task, "Begin a task", task.CreateTask, 201),
        Entry("GET", "/v1/tasks", member, task.list_tasks, "List tasks"),
        Entry("GET", "/v1/tasks/{id}", member, task.show_task, "Show a task"),
        Entry("POST", "/v1/tasks/{id}/complete", member, task.complete_task, "End a task", bodies.Why),
        Entry("POST", "/v1/tasks/{id}/suspend", member, task.suspend_task, "Suspend a task", bodies.Why),
        Entry("POST", "/v1/tasks/{id}/resume", member, task.resume_task, "Resume a task", bodies.Why),
        Entry("GET", "/v1/holds", member, do.list_holds, "List held calls"),
        Entry("GET", "/v1/holds/{id}", member, do.show_hold, "Show a held call"),
        Entry("POST", "/v1/holds/{id}/approve", person, do.approve_hold, "Approve exactly this call", bodies.Decide),
        Entry("POST", "/v1/holds/{id}/deny", person, do.deny_hold, "Deny this call", bodies.Decide),
        Entry("POST", "/v1/holds/{id}/revoke", person, do.take_back_hold, "Take back what is not used", bodies.Why),
        Entry("POST", "/v1/holds/{id}/reconcile", person, do.reconcile_hold, "Say what became of it", bodies.Reconcile),
        Entry("POST", "/v1/revocations", member, do.revoke, "End or freeze what is in a scope", bodies.Revoke, 201),
        Entry("GET", "/v1/revocations", member, do.list_revocations, "List what is ended or frozen"),
        Entry("DELETE", "/v1/revocations", member, do.lift, "Lift an end or a freeze", bodies.Why),
        Entry("POST", "/v1/people/{id}/tokens", operator, do.issue_token, "Issue a token", bodies.IssueToken, 201),
        Entry(
            "POST", "/v1/people/{id}/sign-in-links", operator, do.issue_sign_in_link, "Make a link", bodies.Body, 201
        ),
        Entry("POST", "/v1/people/{id}/sign-out", member, do.sign_out, "End all of a person's ways in", bodies.Why),
        Entry("POST", "/v1/people/{id}/deactivate", operator, own.deactivate, "Deactivate a person", bodies.Why),
        Entry("POST", "/v1/people/{id}/activate", operator, own.activate, "Take that back", bodies.Why),
        Entry("POST", "/v1/keys/{use}/rotate", operator, key.rotate_keys, "Sign with other keys", key.RotateKeys),
        Entry("GET", "/v1/reviews", member, own.list_reviews, "List what is due for review, and what is orphaned"),
        Entry("GET", "/v1/reviews/{what}", member, own.show_review, "Show what its owner attests"),
        Entry("POST", "/v1/reviews/{what}/attest", person, own.attest, "Attest exactly this", own.Attest),
        Entry("POST", "/v1/reviews/{what}/end", member, own.end_review, "End what is not needed", bodies.Why),
        Entry("GET", "/v1/inventory", member, own.show_inventory, "Show what is in force, and where it comes from"),
        Entry("PUT", "/v1/inventory/{source}", operator, own.put_inventory, "Bring the document of a source"),
        Entry("GET", "/v1/calls", member, do.list_calls, "List recent calls"),
        Entry("GET", "/v1/calls/{id}", member, do.show_call, "Show a call and its records"),
        Entry("GET", "/v1/transactions/{id}", member, do.show_transaction, "Show what was behind a transaction token"),
        Entry("GET", "/v1/events", member, events, "Follow changes as server-sent events"),
        Entry("GET", "/v1/status", member, do.show_status, "Show what runs and what is in force"),
    )
