"""How commands reach the control API."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from proxy.cli import api as module
from proxy.cli.api import ApiError, call, control, every_page, request
from proxy.errors import CountersignError


def test_without_a_server_the_state_itself_answers(config: Path) -> None:
    """Reading and writing works offline, as the operator."""
    made = call(config, "POST", "/v1/handles", {"agent": "support-bot"})
    (listed,) = call(config, "GET", "/v1/handles")["handles"]
    assert listed["id"] == made["id"]


def test_a_list_in_pieces_is_put_together(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of a piece, each row is there once."""
    made = [call(config, "POST", "/v1/handles", {"agent": "support-bot"})["id"] for _ in range(3)]
    for piece in (1, 2, 3, 4):
        monkeypatch.setattr(module, "_PIECE", piece)
        assert [row["id"] for row in every_page(config, "/v1/handles?", "handles")] == made[::-1]


def test_with_a_server_that_server_answers(serving: tuple[Path, list[str]]) -> None:
    """The status names the running server's addresses."""
    assert call(serving[0], "GET", "/v1/status")["proxy"].startswith("127.0.0.1:")


def test_a_running_server_gives_the_whole_list_in_pieces(
    serving: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece is asked of it where the one before ended: nothing is left out, and nothing comes twice."""
    made = [call(serving[0], "POST", "/v1/handles", {"agent": "support-bot"})["id"] for _ in range(3)]
    monkeypatch.setattr(module, "_PIECE", 1)
    assert [row["id"] for row in every_page(serving[0], "/v1/handles?", "handles")][:3] == made[::-1]
    for handle in made:  # others have this server after us
        call(serving[0], "POST", f"/v1/handles/{handle}/revoke", {"reason": "seen"})


def test_what_needs_a_server_says_so(config: Path) -> None:
    """Where the state alone is not enough, a missing server is a mistake in words."""

    async def story() -> None:
        async with control(config, running=True):
            pass

    with pytest.raises(CountersignError, match="countersign serve is not running"):
        asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(422, json={"detail": "say why"}), "say why"),
        (httpx.Response(403, json={"title": "Forbidden"}), "forbidden"),
        (
            httpx.Response(409, json={"detail": "The agent was due for review.", "code": "agent_review_overdue"}),
            "the agent was due for review; see `countersign review`",
        ),
        (httpx.Response(422, json={"detail": "JSON is wanted"}), "JSON is wanted"),
        (
            httpx.Response(404, json={"detail": "no such agent", "code": "agent_unknown"}),
            "; see `countersign agent list`",
        ),
        (httpx.Response(404, json={"detail": "none", "code": ["agent_unknown"]}), "none"),
        (httpx.Response(500, text="<html>"), "answered 500"),
        (httpx.Response(500, json=[1]), "answered 500"),
        (httpx.Response(500, json={}), "answered 500"),
    ],
)
def test_a_refusal_is_told_in_the_apis_words(answer: httpx.Response, words: str) -> None:
    """Whatever comes back, it becomes a sentence."""

    async def story() -> None:
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(lambda _: answer), base_url="http://localhost"
        ) as client:
            await request(client, "GET", "/v1/status")

    with pytest.raises(ApiError, match=words):
        asyncio.run(story())


def test_acting_as_a_person_is_said_in_a_header() -> None:
    """`--as` becomes the header that only the local operator may use."""
    seen: list[Any] = []

    def answer(asked: httpx.Request) -> httpx.Response:
        seen.append(asked.headers.get("countersign-as"))
        return httpx.Response(200, json={})

    async def story() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://localhost") as client:
            await request(client, "GET", "/", as_person="alice")
            await request(client, "GET", "/")

    asyncio.run(story())
    assert seen == ["alice", None]
