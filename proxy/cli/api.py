"""Talking to the control API: over its local socket, or over the network with a personal token."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from policies.model import Json
from proxy.errors import CountersignError

if TYPE_CHECKING:
    import httpx


_PIECE = 1000

# What lists the things of which the API knows none by this name.
_WHERE_TO_LOOK = {
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
    """The API's JSON answer; raises `ApiError` with its words when it refuses."""
    return asyncio.run(_call(config, method, path, body, as_person))


def every_page(config: Path, path: str, name: str, *, as_person: str | None = None) -> list[Any]:
    """The whole list that the API gives in pieces; `path` has a query, which may be empty."""
    return asyncio.run(_every_page(config, path, name, as_person))


@contextlib.asynccontextmanager
async def control(config: Path, *, running: bool = False) -> AsyncIterator["httpx.AsyncClient"]:
    """A client of the control API of this configuration, as the local operator."""
    from proxy.app.local import open_control
    from proxy.settings import load_settings

    async with open_control(load_settings(config), running=running) as client:
        yield client


async def _call(
    config: Path, method: str, path: str, body: Mapping[str, Json] | None, as_person: str | None
) -> dict[str, Any]:
    async with control(config) as client:
        return await request(client, method, path, body, as_person=as_person)


async def _every_page(config: Path, path: str, name: str, as_person: str | None) -> list[Any]:
    rows: list[Any] = []
    async with control(config) as client:
        place = ""
        while True:
            answer = await request(client, "GET", f"{path}&limit={_PIECE}{place}", as_person=as_person)
            rows += answer[name]
            if "next" not in answer:
                return rows
            place = f"&after={quote(answer['next'], safe='')}"


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

    headers = {"Countersign-As": as_person} if as_person else {}
    try:
        response = await client.request(method, path, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise ApiError(f"the control API does not answer: {error}") from error
    if response.is_success:
        answer: dict[str, Any] = response.json() if response.content else {}
        return answer
    raise ApiError(_words(response))


def _words(response: "httpx.Response") -> str:
    try:
        problem = response.json()
        # what the API calls by its header, a person at the terminal types as an option
        words = str(problem.get("detail") or problem["title"]).replace("`Countersign-As`", "`--as PERSON`")
        look = _WHERE_TO_LOOK.get(str(problem.get("code")))
        return f"{words}; see `{look}`" if look else words
    except (json.JSONDecodeError, AttributeError, KeyError, TypeError):
        return f"the control API answered {response.status_code}"
