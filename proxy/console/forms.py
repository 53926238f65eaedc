"""The fields of a form that a browser sent: each name once, or the form is not read at all."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from proxy.errors import Declined

type Form = Mapping[str, str]

MAX_FIELDS = 32


async def read_form(request: Request) -> Form:
    """The fields by name; refuses other content types, double names, and text that is not UTF-8."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise _unreadable()
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS, encoding="utf-8"
        )
    except ValueError as error:
        raise _unreadable() from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _unreadable()
    return fields


def _unreadable() -> Declined:
    return Declined(400, "form_unreadable", "This form cannot be read. Nothing was done.")
