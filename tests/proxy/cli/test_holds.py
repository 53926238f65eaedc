"""`countersign holds`: here without a hold; tests/e2e holds, approves and denies real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.holds import as_read, awaited


def test_nothing_waits(give: Any, config: Path) -> None:
    """An empty list is a sentence for people and an empty list for programs."""
    assert give("holds", "list").out == "nothing waits for sign-off\n"
    assert json.loads(give("holds", "list", "--all", "--json").out) == []


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        (("deny",), "--reason"),
        (("revoke",), "--reason"),
        (("reconcile", "--executed"), "--evidence"),
        (("reconcile", "--evidence", "x"), "--executed"),
    ],
)
def test_what_must_be_said_is_asked_for(give: Any, config: Path, command: tuple[str, ...], missing: str) -> None:
    """Without a reason, or what happened, nothing is asked of the house."""
    said = give("holds", *command, "hld_1")
    assert said.status == 2
    assert missing in said.err


@pytest.mark.parametrize(
    "command", [("revoke", "--reason", "x"), ("reconcile", "--executed", "--evidence", "x", "--as", "alice")]
)
def test_of_no_hold_there_is_nothing_to_say(give: Any, config: Path, command: tuple[str, ...]) -> None:
    """A wrong id is a mistake in words."""
    said = give("holds", command[0], "hld_1", *command[1:])
    assert (said.status, "Traceback" in said.err) == (2, False)


@pytest.mark.parametrize(
    ("hold", "words"),
    [
        ({"state": "approved"}, ""),
        ({"state": "denied"}, ""),
        ({"state": "pending", "problem": "", "may_decide": ["bob", "eve"]}, "\nit also waits for: bob, eve"),
        (
            {"state": "pending", "problem": "no_eligible_approver", "may_decide": []},
            "\nthose who may sign it are not enough; whom a call is made for cannot be the only one",
        ),
    ],
)
def test_what_a_call_still_waits_for_is_said(hold: dict[str, Any], words: str) -> None:
    """Who has signed learns whether that was all."""
    assert awaited(hold) == words


def test_a_hold_is_read_from_what_matters_and_nothing_is_left_out() -> None:
    """What would happen and for whom stands before the digests; a card that could not be opened is empty."""
    card = {"action_digest": "x", "allows": "once", "on_behalf_of": "bob", "version": "card/1"}
    hold = {"action_digest": "x", "card": card, "effect": "refund", "id": "hld_1", "state": "pending", "votes": []}
    read = as_read(hold)
    assert list(read) == ["id", "state", "effect", "card", "action_digest", "votes"]
    assert list(read["card"]) == ["on_behalf_of", "allows", "action_digest", "version"]
    assert read == hold
    assert as_read(hold | {"card": {}})["card"] == {}
