"""Lists in pieces: how many rows are asked for, and where the next piece begins."""

import math
from collections.abc import Sequence

from starlette.requests import Request

from proxy.errors import Declined
from proxy.identity.interfaces import HandleRow
from proxy.tasks.epochs import FIRST, Place

USUAL = 200
MOST = 1000


def asked_limit(request: Request) -> int:
    """`limit` of the query: how many rows at most."""
    text = request.query_params.get("limit", str(USUAL))
    limit = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST)) else 0
    if not 1 <= limit <= MOST:
        raise Declined(422, "limit_out_of_range", f"`limit` is 1 to {MOST}")
    return limit


def asked_place(request: Request) -> tuple[float, str] | None:
    """`after` of the query: what an answer before called its `next`."""
    text = request.query_params.get("after")
    if text is None:
        return None
    at, _, name = text.partition("~")
    try:
        place = float(at)
    except ValueError:
        place = math.nan
    if not math.isfinite(place) or not name:
        raise _no_place()
    return place, name


def next_place(rows: Sequence[HandleRow], limit: int) -> dict[str, str]:
    """The `next` of an answer with these rows; nothing if they are the last."""
    return {"next": f"{rows[-1].issued_at!r}~{rows[-1].id}"} if len(rows) == limit else {}


def asked_revocation(request: Request) -> Place:
    """The same of a list of revocations."""
    place = asked_place(request)
    if place is None:
        return FIRST
    at, name = place
    kind, colon, scope = name.partition(":")
    if not colon:
        raise _no_place()
    return -at, scope, kind


def next_revocation(place: Place | None) -> dict[str, str]:
    """The `next` of an answer behind which more begins at this place; nothing if none does."""
    return {} if place is None else {"next": f"{-place[0]!r}~{place[2]}:{place[1]}"}


def _no_place() -> Declined:
    return Declined(422, "after_invalid", "`after` is what the answer before this one called its `next`")
