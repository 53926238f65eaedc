"""Talking to the control API: over its local socket, or over the network with a personal token."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from policies.model import Json
from proxy.app.local import written_socket
from proxy.cli.at_socket import ask
from proxy.errors import CountersignError

if TYPE_CHECKING:
    import httpx


_PIECE = 1000

# What lists the things of which the API knows none by this name, and what mends a standing.
_WHERE_TO_LOOK = {
    "agent_review_overdue": "countersign review",
    "agent_unattested": "countersign review",
    "agent_unknown": "countersign agent list",
    "call_unknown": "countersign audit tail",
    "hold_unknown": "countersign holds list --all",
    "not_revoked": "countersign revocations --all",
    "not_found": "countersign holds list --all",
    "person_unknown": "countersign inventory show --section people",
    "review_unknown": "countersign review --all",
    "task_unknown": "countersign task list",
}


class ApiError(CountersignError):
    """The control API refused, in its own words."""


def call(
    config: Path, method: str, path: str, body: Mapping[str, Json] | None = None, *, as_person: str | None = None
) -> dict[str, Any]:
    """The API's JSON answer; raises `ApiError` with its words when it refuses.

    A running server is asked with little ado, even if the configuration has been broken since it started.
    """
    answer = _of_a_server(config, method, path, body, as_person)
    if answer is not None:
        return answer
    import asyncio

    return asyncio.run(_call(config, method, path, body, as_person))


def every_page(config: Path, path: str, name: str, *, as_person: str | None = None) -> list[Any]:
    """The whole list that the API gives in pieces; `path` has a query, which may be empty."""
    answer = _of_a_server(config, "GET", _piece(path), None, as_person)
    if answer is None:
        import asyncio

        return asyncio.run(_every_page(config, path, name, as_person))
    rows: list[Any] = answer[name]
    while "next" in answer:
        answer = call(config, "GET", _piece(path, answer["next"]), as_person=as_person)
        rows += answer[name]
    return rows


@contextlib.asynccontextmanager
async def control(config: Path, *, running: bool = False) -> AsyncIterator["httpx.AsyncClient"]:
    """A client of the control API of this configuration, as the local operator."""
    from proxy.app.local import open_control
    from proxy.settings import load_settings

    async with open_control(load_settings(config), running=running) as client:
        yield client


def _of_a_server(
    config: Path, method: str, path: str, body: Mapping[str, Json] | None, as_person: str | None
) -> dict[str, Any] | None:
    """What the running server answers; None if there is none."""
    socket = written_socket(config)
    answer = None if socket is None else ask(socket, method, path, body, _headers(as_person))
    return None if answer is None else _answer(*answer)


async def _call(
    config: Path, method: str, path: str, body: Mapping[str, Json] | None, as_person: str | None
) -> dict[str, Any]:
    async with control(config) as client:
        return await request(client, method, path, body, as_person=as_person)


async def _every_page(config: Path, path: str, name: str, as_person: str | None) -> list[Any]:
    async with control(config) as client:
        answer = await request(client, "GET", _piece(path), as_person=as_person)
        rows: list[Any] = answer[name]
        while "next" in answer:
            answer = await request(client, "GET", _piece(path, answer["next"]), as_person=as_person)
            rows += answer[name]
        return rows


def _piece(path: str, after: str | None = None) -> str:
    return f"{path}&limit={_PIECE}" + (f"&after={quote(after, safe='')}" if after is not None else "")


async def request(
    client: "httpx.AsyncClient",
    method: str,
    path: str,
    body: Mapping[str, Json] | None = None,
    *,
    as_person: str | None = None,
) -> dict[str, Any]:
    """One request to the control API; the answer, or `ApiError` in the API's words."""
    import httpx

    try:
        response = await client.request(method, path, json=body, headers=_headers(as_person))
    except httpx.HTTPError as error:
        raise ApiError(f"the control API does not answer: {error}") from error
    return _answer(response.status_code, response.content)


def _headers(as_person: str | None) -> dict[str, str]:
    return {"Countersign-As": as_person} if as_person else {}


def _answer(status: int, content: bytes) -> dict[str, Any]:
    if not 200 <= status < 300:
        raise ApiError(_words(status, content))
    answer: dict[str, Any] = json.loads(content) if content else {}
    return answer


def _words(status: int, content: bytes) -> str:
    try:
        problem = json.loads(content)
        # what the API calls by its header, a person at the terminal types as an option
        words = str(problem.get("detail") or problem["title"]).replace("`Countersign-As`", "`--as PERSON`")
        look = _WHERE_TO_LOOK.get(str(problem.get("code")))
        if not words[1:2].isupper():
            words = f"{words[:1].lower()}{words[1:].rstrip('.')}"  # some are sentences, since agents hear them as well
        return f"{words}; see `{look}`" if look else words
    except (ValueError, AttributeError, KeyError, TypeError):
        return f"the control API answered {status}"
