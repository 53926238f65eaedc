"""What each route of the control API does, for a caller who has been proven. Times are UNIX seconds."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from proxy.control import bodies
from proxy.control.desk import Desk
from proxy.control.door import Door
from proxy.control.event_stream import lines
from proxy.control.paging import asked_limit, asked_place, asked_revocation, next_place, next_revocation
from proxy.errors import Declined
from proxy.holds.view import HoldView
from proxy.identity.interfaces import HandleRow
from proxy.tasks.interfaces import KINDS, RevocationKind


def hold_json(view: HoldView) -> dict[str, Any]:
    """A hold for programs: every field of the view, and its effect in one line."""
    return asdict(view) | {"effect": view.card.get("effect", view.operation), "approval_status": view.status}


def handle_json(row: HandleRow, now: float) -> dict[str, Any]:
    """A handle for programs: its row, without the digest."""
    fields = asdict(row)
    del fields["digest"]
    return fields | {"live": row.revoked_at is None and now < row.not_after}


# --- handles -----------------------------------------------------------------------------------------


async def issue_handle(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.IssueHandle)
    handle, row = await desk.handles.issue(
        agent=body.agent,
        task=body.task,
        purpose=body.purpose,
        on_behalf_of=body.on_behalf_of,
        ttl=body.ttl_seconds,
    )
    shown = ("id", "agent", "task", "purpose", "on_behalf_of", "issued_at", "not_after")
    fields = asdict(row)
    return JSONResponse({name: fields[name] for name in shown} | {"handle": handle}, 201)


async def list_handles(request: Request, desk: Desk) -> Response:
    limit, before = asked_limit(request), asked_place(request)
    agent, live = request.query_params.get("agent"), flag(request, "live")
    rows = await desk.handles.list(agent=agent, live=live, before=before, limit=limit)
    return JSONResponse({"handles": [handle_json(row, desk.now) for row in rows]} | next_place(rows, limit))


async def revoke_handle(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Why)
    done = await desk.handles.revoke(request.path_params["id"], body.reason)
    return JSONResponse({"id": request.path_params["id"], "revoked": True} | asdict(done))


# --- holds -------------------------------------------------------------------------------------------


async def list_holds(request: Request, desk: Desk) -> Response:
    state = request.query_params.get("state", "pending")
    if state not in {"pending", "all"}:
        raise Declined(422, "state_unknown", "`state` is `pending` or `all`")
    views = await desk.sign_off.list("all" if state == "all" else "pending")
    return JSONResponse({"holds": [hold_json(view) for view in views]})


async def show_hold(request: Request, desk: Desk) -> Response:
    return JSONResponse(hold_json(await desk.sign_off.get(request.path_params["id"])))


async def _decide(request: Request, desk: Desk, decision: Literal["approve", "deny"]) -> Response:
    body = await bodies.read(request, bodies.Decide)
    view = await desk.sign_off.vote(
        request.path_params["id"],
        decision,
        row_version=body.row_version,
        action_digest=body.action_digest,
        display_digest=body.display_digest,
        reason=body.reason,
    )
    return JSONResponse(hold_json(view))


async def take_back_hold(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Why)
    return JSONResponse(hold_json(await desk.sign_off.take_back(request.path_params["id"], body.reason)))


async def reconcile_hold(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Reconcile)
    hold_id = request.path_params["id"]
    view = await desk.sign_off.reconcile(hold_id, executed=body.executed, evidence=body.evidence)
    return JSONResponse(hold_json(view))


approve_hold = partial(_decide, decision="approve")
deny_hold = partial(_decide, decision="deny")


# --- revocations ---------------------------------------------------------------------------------------


async def revoke(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Revoke)
    act = desk.ending.freeze if body.kind == "freeze" else desk.ending.revoke
    done = await act(body.scope, body.reason)
    return JSONResponse({"scope": body.scope, "revoked": True} | asdict(done), 201)


async def list_revocations(request: Request, desk: Desk) -> Response:
    over = flag(request, "over") if "over" in request.query_params else None
    unstored = desk.ending.unstored()
    listed = await desk.ending.list(asked_revocation(request), limit=asked_limit(request), over=over)
    rows = [asdict(row) | {"stored": row not in unstored} for row in listed.rows]
    return JSONResponse({"revocations": rows} | next_revocation(listed.next))


async def lift(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Why)
    scope = request.query_params.get("scope", "")
    await desk.ending.lift(scope, body.reason, _kind(request.query_params.get("kind")))
    return JSONResponse({"scope": scope, "revoked": False})


def _kind(said: str | None) -> RevocationKind | None:
    """Which of both is lifted, if the query says so."""
    for kind in (None, *KINDS):
        if said == kind:
            return kind
    raise Declined(422, "kind_invalid", "`kind` is `revoke` or `freeze`; without it both are lifted")


# --- people --------------------------------------------------------------------------------------------


async def issue_token(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.IssueToken)
    issued = await desk.ways_in.issue_token(request.path_params["id"], body.ttl_seconds)
    return JSONResponse({"id": issued.id, "token": issued.secret, "not_after": issued.not_after}, 201)


async def issue_sign_in_link(request: Request, desk: Desk) -> Response:
    await bodies.read(request, bodies.Body)
    url, issued = await desk.ways_in.issue_sign_in_link(request.path_params["id"])
    return JSONResponse({"url": url, "not_after": issued.not_after}, 201)


async def sign_out(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Why)
    ended = await desk.ways_in.end_all(request.path_params["id"], body.reason)
    return JSONResponse({"person": request.path_params["id"], "ended": ended})


# --- what happened -------------------------------------------------------------------------------------


async def list_calls(request: Request, desk: Desk) -> Response:
    asked = request.query_params
    limit = asked.get("limit", "100")
    if not limit.isdecimal() or len(limit) > 4:
        raise Declined(422, "limit_out_of_range", "`limit` is a whole number")
    page = await desk.calls.page(
        limit=int(limit),
        agent=asked.get("agent"),
        outcome=asked.get("outcome"),
        task=asked.get("task"),
        principal=asked.get("principal"),
        before=asked.get("before"),
    )
    return JSONResponse({"calls": page.stories, "older": page.older})


async def show_call(request: Request, desk: Desk) -> Response:
    story, records = await desk.calls.get(request.path_params["id"])
    return JSONResponse({"story": story, "records": records})


async def show_transaction(request: Request, desk: Desk) -> Response:
    return JSONResponse(await desk.transactions.get(request.path_params["id"]))


async def events(request: Request, desk: Desk, door: Door) -> Response:
    """Server-sent events, of what the caller may see at that moment; the stream ends when the caller's proof does."""

    async def follow() -> AsyncIterator[bytes]:
        async for event in desk.subscription.events(request.headers.get("last-event-id", "")):
            try:
                now = await door.desk_of(request)
            except Declined:
                return
            if event is None or now.subscription.sees(event):
                yield lines(event)

    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(follow(), media_type="text/event-stream", headers=headers)


async def show_status(_: Request, desk: Desk) -> Response:
    return JSONResponse(dict(await desk.status()))


def flag(request: Request, name: str) -> bool:
    """Whether this parameter of the query says `true`; absent means that it does not."""
    value = request.query_params.get(name, "false")
    if value not in {"true", "false"}:
        raise Declined(422, "flag_invalid", f"`{name}` is `true` or `false`")
    return value == "true"
