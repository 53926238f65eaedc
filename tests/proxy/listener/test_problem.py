"""Answers in our own words."""

import json

import pytest

from policies.model import Json
from proxy.errors import Refusal
from proxy.listener.problem import UNAVAILABLE, problem


@pytest.mark.parametrize(
    ("extra", "executed", "begins"),
    [({}, False, "NOT EXECUTED. "), ({"executed": None}, None, "OUTCOME UNKNOWN. "), ({"executed": 1}, False, "NOT ")],
)
def test_says_whether_it_was_executed(extra: dict[str, Json], executed: bool | None, begins: str) -> None:
    """An agent must know whether asking again could do a thing twice."""
    reply = problem(Refusal("some_reason", 502, "The call was odd.", "retry", extra=extra))
    document = json.loads(reply.body)
    assert document["detail"].startswith(begins)
    assert document["executed"] is executed
    assert (reply.status, document["status"], document["reason"], document["next_action"]) == (
        502,
        502,
        "some_reason",
        "retry",
    )
    assert ("content-type", "application/problem+json") in reply.headers


def test_headers_of_the_refusal_are_kept() -> None:
    """A 407 without its challenges would be no 407."""
    reply = problem(Refusal("who", 407, "Who?", headers=(("proxy-authenticate", "Basic"),)))
    assert ("proxy-authenticate", "Basic") in reply.headers


def test_the_last_resort_says_nothing_of_us() -> None:
    """What we say when all else fails holds no internals."""
    assert UNAVAILABLE.status == 503
    assert not UNAVAILABLE.internal
