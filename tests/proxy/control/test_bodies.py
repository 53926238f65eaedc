"""What is read from a request's body, and what is not."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from proxy.control.bodies import IssueHandle, Why, read
from proxy.errors import Declined


def request(body: bytes, kind: str = "application/json") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)


def code(body: bytes, kind: str = "application/json") -> str:
    with pytest.raises(Declined) as caught:
        asyncio.run(read(request(body, kind), Why))
    return caught.value.code


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"reason": "x"}', "text/plain", "not_json"),
        (b'{"reason": "x"}', "application/x-www-form-urlencoded", "not_json"),
        (b'{"reason": "x"}', "", "not_json"),
        (b'{"reason": "x"', "application/json", "not_json"),
        (b'{"reason": "a", "reason": "b"}', "application/json", "not_json"),
        (b"\xff", "application/json", "not_json"),
        (b"[" * 5000, "application/json", "not_json"),
        (b"[]", "application/json", "body_invalid"),
        (b"", "application/json", "body_invalid"),
        (b'{"reason": 1}', "application/json", "body_invalid"),
        (b'{"reason": "x", "more": 1}', "application/json", "body_invalid"),
    ],
)
def test_what_is_not_exactly_the_shape_is_refused(body: bytes, kind: str, expected: str) -> None:
    """Another content type, two readings, missing, unknown or mistyped fields."""
    assert code(body, kind) == expected


def test_every_wrong_field_is_named() -> None:
    """One answer tells all mistakes."""
    with pytest.raises(Declined, match=r"`agent`.*`purpose`"):
        asyncio.run(read(request(b'{"purpose": 1}'), IssueHandle))


@given(st.binary(max_size=80))
def test_any_bytes_are_a_body_or_a_mistake(body: bytes) -> None:
    """Never another exception."""
    try:
        made = asyncio.run(read(request(body), Why))
    except Declined:
        return
    assert json.loads(body) == {"reason": made.reason}
