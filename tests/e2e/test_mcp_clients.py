"""The MCP SDK's own client, at both protocols, each through `countersign run`."""

from collections.abc import Iterator

import pytest

from proxy.demo.stage import Stage
from tests.e2e.driving import NOTES, Program, approve, governed, pending, python_client

MODES = {"auto": "2026-07-28", "legacy": "2025-11-25"}


@pytest.fixture(scope="module", params=MODES)
def client(request: pytest.FixtureRequest, stage: Stage) -> Iterator[tuple[str, Program]]:
    """The client in one mode, connected, under `countersign run`."""
    with governed(stage, *python_client("tools.py", NOTES, request.param)) as program:
        assert program.hear()["protocol"] == MODES[request.param]
        yield request.param, program


def test_an_allowed_tool_answers(client: tuple[str, Program]) -> None:
    """The tool's own result comes back."""
    assert client[1].ask(tool="search_notes", arguments={"query": "Ada"}) == {
        "error": False,
        "text": "n1: Ada asked for an invoice",
    }


def test_a_refused_tool_says_so_to_the_model(client: tuple[str, Program]) -> None:
    """A refusal is a tool result with isError: the model reads it and can go on; the tool did not run."""
    heard = client[1].ask(tool="delete_note", arguments={"note": "n1"})
    assert heard["error"] is True
    assert heard["text"].startswith("NOT EXECUTED.")
    assert "n1" in client[1].ask(tool="search_notes", arguments={"query": "Ada"})["text"]


def test_a_held_tool_runs_once_after_its_approval(stage: Stage, client: tuple[str, Program]) -> None:
    """Held, approved, asked again: it runs; asked yet again, it is held anew."""
    mode, program = client
    arguments = {"query": f"everything {mode}"}
    heard = program.ask(tool="search_notes", arguments=arguments)
    assert heard["error"] is True
    assert "approval" in heard["text"]
    (hold,) = [row for row in pending(stage) if mode in row["effect"]]
    approve(stage, hold["id"])
    assert program.ask(tool="search_notes", arguments=arguments) == {"error": False, "text": "no notes"}
    assert program.ask(tool="search_notes", arguments=arguments)["error"] is True
