"""Refusals of the control API as RFC 9457 problem documents. No traceback, no internals."""

from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from proxy.errors import CountersignError, Declined, StoreUnavailable
from proxy.holds.mistakes import HoldError
from proxy.tasks.mistakes import TaskMistake
from telemetry.errors import AuditUnavailable

_HOLD_STATUS: Final = {
    "not_found": 404,
    "not_eligible": 403,
    "stale": 409,
    "already_decided": 409,
    "reason_required": 422,
    "too_late": 409,
    "unreadable": 409,
}

_TASK_CONFLICTS: Final = frozenset({"task_state", "parent_not_active"})


def declined(error: Exception) -> Declined:
    """Any of our own errors, as what a person is told."""
    match error:
        case Declined():
            return error
        case HoldError():
            return Declined(_HOLD_STATUS.get(error.code, 409), error.code, str(error))
        case TaskMistake():
            status = 404 if error.code.endswith("_unknown") else 409 if error.code in _TASK_CONFLICTS else 422
            return Declined(status, error.code, str(error))
        case AuditUnavailable():
            return Declined(
                503,
                "audit_unavailable",
                "this cannot be written down at the moment; look whether it was done before you try again",
            )
        case StoreUnavailable():
            return Declined(
                503, "store_unavailable", "the store does not answer; look whether it was done before you try again"
            )
        case CountersignError():
            return Declined(422, "invalid", str(error))
        case _:
            return Declined(
                500,
                "internal_error",
                "this is a fault of ours; look whether it was done before you try again, and see the log",
            )


def problem(error: Declined) -> Response:
    """The problem document for this refusal."""
    headers = {"www-authenticate": 'Bearer realm="countersign"'} if error.status == 401 else None
    body = {
        "type": f"urn:countersign:problem:{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
    }
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


async def on_error(_: Request, error: Exception) -> Response:
    """Starlette's exception handler for everything that is ours."""
    return problem(declined(error))
