"""The fields of a form, or none."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from proxy.console.forms import read_form
from proxy.errors import Declined

URLENCODED = "application/x-www-form-urlencoded"


def read(body: bytes, kind: str = URLENCODED) -> dict[str, str]:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}, receive)
    return dict(asyncio.run(read_form(request)))


def test_fields_are_read_by_name() -> None:
    """Also empty ones, and text in any language."""
    assert read(b"a=1&b=&c=gr%C3%B6%C3%9Fer+x", URLENCODED + "; charset=utf-8") == {"a": "1", "b": "", "c": "größer x"}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=1", "text/plain"),
        (b"a=1", "multipart/form-data; boundary=x"),
        (b"a=1", "application/json"),
        (b"a=1", ""),
        (b"a=1&a=2", URLENCODED),
        (b"a=%ff", URLENCODED),
        (b"\xff=1", URLENCODED),
        (b"&".join(b"f%d=1" % number for number in range(40)), URLENCODED),
    ],
)
def test_what_can_be_read_in_two_ways_is_not_read(body: bytes, kind: str) -> None:
    """Another content type, a name twice, bad UTF-8, too many fields."""
    with pytest.raises(Declined):
        read(body, kind)


@given(st.binary(max_size=80))
def test_any_bytes_are_fields_or_a_mistake(body: bytes) -> None:
    """Never another exception."""
    try:
        fields = read(body)
    except Declined:
        return
    assert all(isinstance(value, str) for value in fields.values())
