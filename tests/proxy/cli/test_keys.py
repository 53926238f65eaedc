"""`countersign keys`."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.cli.conftest import Give


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked of the server."""
    asked: list[Any] = []

    def call(_config: Path, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        asked.append((method, path, body))
        return {
            "use": "calls",
            "signs": "new",
            "signed": "old",
            "withdrawn": body["revoke_old"],
            "note": body["reason"][1:],
        }

    monkeypatch.setattr("proxy.cli.keys.call", call)
    return asked


def test_keys_are_changed_for_a_reason(give: Give, calls: list[Any]) -> None:
    """Which key signs now, and what becomes of the old one, in a line; or as JSON."""
    assert give("keys", "rotate", "--reason", "x").out == "new signs now; old verifies until what it signed has ended\n"
    said = give("keys", "rotate", "--revoke-old", "--of", "events", "--reason", "x", "--json")
    assert json.loads(said.out)["withdrawn"] is True
    assert give("keys", "rotate", "--revoke-old", "--reason", "x").out == "new signs now; old is withdrawn\n"
    assert [(path, body["revoke_old"]) for _, path, body in calls] == [
        ("/v1/keys/calls/rotate", False), ("/v1/keys/events/rotate", True), ("/v1/keys/calls/rotate", True),
    ]  # fmt: skip


def test_how_far_it_went_is_told(give: Give, calls: list[Any]) -> None:
    """Beside the line, if there is anything that the operator must know."""
    assert give("keys", "rotate", "--revoke-old", "--reason", "xnot stored").err == "countersign: not stored\n"


def test_without_a_reason_nothing_is_changed(give: Give, calls: list[Any]) -> None:
    """It is a mistake of the person."""
    assert give("keys", "rotate").status == 2
    assert calls == []
