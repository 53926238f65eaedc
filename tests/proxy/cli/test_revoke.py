"""`countersign revoke`, `freeze`, `lift` and `revocations`."""

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any


def test_what_is_ended_is_listed_until_it_is_lifted(give: Any, config: Path) -> None:
    """Ended with a reason, listed with who and why, lifted, gone."""
    assert give("revoke", "agent:support-bot", "--reason", "odd").out == "agent:support-bot is ended\n"
    listed = give("revocations").out
    assert "agent:support-bot" in listed
    assert "odd" in listed
    (row,) = json.loads(give("revocations", "--json").out)
    assert row["reason"] == "odd"
    assert give("lift", "agent:support-bot", "--reason", "checked").out == "agent:support-bot is lifted\n"
    assert give("revocations").out == "nothing is revoked\n"


def test_single_handles_that_are_over_are_only_counted(give: Any, config: Path) -> None:
    """Each program leaves one behind: an incident must not drown among them. `--all` and JSON have them."""
    handle = json.loads(give("handle", "issue", "support-bot", "--json").out)["id"]
    give("handle", "revoke", handle, "--reason", "lost")
    listed = give("revocations")
    assert listed.out == "nothing is revoked\n"
    assert "1 single tasks, handles, tokens and sign-ins that are over: --all lists them" in listed.err
    assert f"handle:{handle}" in give("revocations", "--all").out
    assert len(json.loads(give("revocations", "--json").out)) == 1
    give("freeze", f"handle:{handle}", "--reason", "x")
    assert give("revocations", "--all").err == ""


def test_nothing_is_ended_without_a_reason(give: Any, config: Path) -> None:
    """The reason may be neither missing nor empty."""
    assert give("revoke", "global").status == 2
    assert "say why" in give("revoke", "global", "--reason", " ").err
    assert give("revocations").out == "nothing is revoked\n"


def test_what_is_frozen_is_told_from_what_is_ended(give: Any, config: Path) -> None:
    """A freeze is said and listed as one; what is ended besides is listed as both, and either is lifted alone."""
    assert give("freeze", "agent:support-bot", "--reason", "look").out == "agent:support-bot is frozen\n"
    assert "frozen" in give("revocations").out
    assert json.loads(give("revocations", "--json").out)[0]["kind"] == "freeze"
    assert give("revoke", "agent:support-bot", "--reason", "bad").out == "agent:support-bot is ended\n"
    again = give("freeze", "agent:support-bot", "--reason", "look")
    assert (again.status, "is ended as well" in again.err) == (0, True)
    rows = json.loads(give("revocations", "--json").out)
    assert sorted(row["kind"] for row in rows) == ["freeze", "revoke"]
    listed = give("revocations").out
    assert ("ended" in listed, "frozen" in listed) == (True, True)
    only = give("lift", "agent:support-bot", "--only", "revoke", "--reason", "checked")
    assert only.out == "agent:support-bot is no longer ended\n"
    assert "ended" not in give("revocations").out
    assert give("lift", "agent:support-bot", "--only", "revoke", "--reason", "x").status == 2
    assert give("lift", "agent:support-bot", "--only", "all", "--reason", "x").status == 2
    assert give("lift", "agent:support-bot", "--reason", "checked").out == "agent:support-bot is lifted\n"
    assert give("revocations").out == "nothing is revoked\n"


def test_what_does_not_exist_is_not_frozen(give: Any, config: Path) -> None:
    """A misspelt name ends nothing, and says so; so does a kind that is none."""
    for scope in ("agent:suport-bot", "tool:crm/refnud", "credential:none"):
        said = give("freeze", scope, "--reason", "x")
        assert (said.status, "check its spelling" in said.err) == (2, True)
    assert "is not a scope" in give("freeze", "agents:support-bot", "--reason", "x").err
    assert give("revocations").out == "nothing is revoked\n"


def test_what_could_not_be_stored_is_in_force_and_said(give: Any, config: Path) -> None:
    """With the store locked by somebody: done, told on standard error, kept for the next process, and listed so."""
    give("revocations")  # makes the store
    database = config.parent / "state" / "countersign.db"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        said = give("revoke", "agent:support-bot", "--reason", "now")
        assert (said.status, said.out) == (0, "agent:support-bot is ended\n")
        assert "not yet in the store" in said.err
        assert "ended, not stored yet" in give("revocations").out
        refused = give("lift", "agent:support-bot", "--reason", "checked")
        assert refused.status == 2
        other.execute("ROLLBACK")
    assert give("lift", "agent:support-bot", "--reason", "checked").status == 0
    assert give("revocations").out == "nothing is revoked\n"
