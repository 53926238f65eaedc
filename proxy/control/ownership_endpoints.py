"""What the routes of reviews, of people who leave, and of the inventory do. Times are UNIX seconds."""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.control import bodies
from proxy.control.desk import Desk
from proxy.control.endpoints import flag
from proxy.control.inventories import kept_json
from proxy.control.reviews import ReviewItem
from proxy.errors import Declined
from proxy.inventory.orphans import Orphan


class Attest(bodies.Body):
    """`digest` is that of the review as it was shown; `note` says what was looked at."""

    digest: bodies.Short
    note: bodies.Reason


def review_json(item: ReviewItem) -> dict[str, Any]:
    """A review for programs: what is due, and every fact that an attestation would vouch for."""
    return {
        "what": item.what,
        "owner": item.owner,
        "answers": item.answers,
        "due": item.due.isoformat() if item.due else None,
        "days": item.days if item.due else None,
        "overdue": item.overdue,
        "standing": item.standing,
        "detail": item.detail,
        "facts": item.fact.model_dump(mode="json"),
        "last": item.last.model_dump(mode="json") if item.last else None,
        "changed_since": item.changed,
        "digest": item.digest,
        "may_attest": item.may_attest,
        "may_end": item.may_end,
    }


def orphan_json(orphan: Orphan) -> dict[str, str]:
    return {"what": orphan.what, "owner": orphan.owner, "deputy": orphan.deputy, "follows": orphan.follows}


async def list_reviews(request: Request, desk: Desk) -> Response:
    items = desk.reviews.list(every=flag(request, "all"))
    return JSONResponse(
        {"reviews": [review_json(item) for item in items], "orphaned": [orphan_json(o) for o in desk.reviews.orphans()]}
    )


async def show_review(request: Request, desk: Desk) -> Response:
    return JSONResponse(review_json(desk.reviews.get(request.path_params["what"])))


async def attest(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, Attest)
    return JSONResponse(review_json(await desk.reviews.attest(request.path_params["what"], body.digest, body.note)))


async def end_review(request: Request, desk: Desk) -> Response:
    body = await bodies.read(request, bodies.Why)
    await desk.reviews.end(request.path_params["what"], body.reason)
    return JSONResponse({"what": request.path_params["what"], "ended": True})


async def _set_active(request: Request, desk: Desk, *, active: bool) -> Response:
    body = await bodies.read(request, bodies.Why)
    person = await desk.leaving.set_active(request.path_params["id"], active=active, reason=body.reason)
    return JSONResponse({"person": person.id, "active": person.active})


deactivate = partial(_set_active, active=False)
activate = partial(_set_active, active=True)


async def show_inventory(_: Request, desk: Desk) -> Response:
    return JSONResponse(desk.inventory.show())


async def put_inventory(request: Request, desk: Desk) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Declined(415, "not_json", "send the document as `Content-Type: application/json`")
    return JSONResponse(kept_json(await desk.inventory.bring(request.path_params["source"], await request.body())))
