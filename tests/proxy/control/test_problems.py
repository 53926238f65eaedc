"""Refusals in words, and never a traceback."""

import json

import pytest

from proxy.control.problems import declined, problem
from proxy.errors import ConfigurationError, CountersignError, Declined, Mistake, StoreUnavailable
from proxy.holds.mistakes import AlreadyDecided, HoldNotFound, NotEligible, ReasonRequired, Stale
from telemetry.errors import AuditUnavailable


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Declined(418, "teapot", "x"), 418, "teapot"),
        (HoldNotFound("x"), 404, "not_found"),
        (NotEligible("x"), 403, "not_eligible"),
        (Stale("x"), 409, "stale"),
        (AlreadyDecided("x"), 409, "already_decided"),
        (ReasonRequired("x"), 422, "reason_required"),
        (StoreUnavailable("/secret/path"), 503, "store_unavailable"),
        (AuditUnavailable("/secret/path"), 503, "audit_unavailable"),
        (CountersignError("x"), 422, "invalid"),
        (ConfigurationError([Mistake("f", 1, "g", "x")]), 422, "invalid"),
        (RuntimeError("/secret/path"), 500, "internal_error"),
        (KeyError("password"), 500, "internal_error"),
    ],
)
def test_each_error_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    """Ours in our words; what is a bug or a broken disk without a word of its inside."""
    told = declined(error)
    assert (told.status, told.code) == (status, code)
    assert "secret" not in str(told)
    assert "password" not in str(told)


def test_a_refusal_is_a_problem_document() -> None:
    """RFC 9457 members, a stable code, and for 401 the way to do better."""
    answer = problem(Declined(401, "not_signed_in", "sign in"))
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:countersign:problem:not_signed_in",
        "title": "Unauthorized",
        "status": 401,
        "detail": "sign in",
        "code": "not_signed_in",
    }
