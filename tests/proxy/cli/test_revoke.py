"""`countersign revoke`, `freeze`, `lift` and `revocations`."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# `typer` itself has pydantic
HEAVY = ("asyncio", "httpx", "proxy.settings", "jwt", "cryptography", "mitmproxy", "starlette", "rich", "orjson")


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


def test_single_handles_that_are_over_are_left_out(give: Any, config: Path) -> None:
    """Each program leaves one behind: an incident must not drown among them. `--all` and JSON have them."""
    handle = json.loads(give("handle", "issue", "support-bot", "--json").out)["id"]
    give("handle", "revoke", handle, "--reason", "lost")
    listed = give("revocations")
    assert listed.out == "nothing is revoked\n"
    assert "single tasks, handles, tokens and sign-ins that are over are left out: --all lists them" in listed.err
    assert f"handle:{handle}" in give("revocations", "--all").out
    assert len(json.loads(give("revocations", "--json").out)) == 1
    give("freeze", f"handle:{handle}", "--reason", "x")
    assert give("revocations", "--all").err == ""


def test_nothing_is_ended_without_a_reason(give: Any, config: Path) -> None:
    """The reason may be neither missing nor empty."""
    assert give("revoke", "global").status == 2
    assert "say why" in give("revoke", "global", "--reason", " ").err
    assert give("revocations").out == "nothing is revoked\n"


def test_who_ends_a_persons_work_learns_that_a_new_sign_in_counts(give: Any, config: Path) -> None:
    """And what to do if it must not; of other scopes nothing of the kind is true."""
    said = give("revoke", "principal:bob", "--reason", "laptop stolen")
    assert said.out == "principal:bob is ended\n"
    assert "from now on lives; `countersign freeze principal:bob` holds that too" in said.err
    assert give("freeze", "principal:alice", "--reason", "x").err == ""
    assert give("revoke", "agent:support-bot", "--reason", "x").err == ""


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


BROKEN = {
    "an unknown setting": ("mode: enforce", "mode: enforce\nlisen: {}"),
    "a wrong value": ("mode: enforce", "mode: strict"),
    "no YAML": ("mode: enforce", "mode: [enforce"),
    "secrets that are gone": ("trusted_roots:\n", "trusted_roots: gone.pem\n"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_end_is_given_whatever_else_is_broken(
    give: Any, serving: tuple[Path, list[str]], tmp_path: Path, how: str
) -> None:
    """The running server is found by where its state is: an edit that went wrong meanwhile holds no end up."""
    text = serving[0].read_text().replace("state: state\n", f"state: {serving[0].parent / 'state'}\n")
    before, after = BROKEN[how]
    assert before in text
    broken = tmp_path / "countersign.yaml"
    broken.write_text(text.replace(before, after))
    assert give("check", "--config", broken).status == 2
    scope = ("class:privileged", "--reason", "x", "--config", broken)
    assert give("revoke", *scope).out == "class:privileged is ended\n"
    assert give("lift", *scope).out == "class:privileged is lifted\n"


def test_without_a_server_a_broken_configuration_is_told(give: Any, config: Path) -> None:
    """Nobody would hear the end: every mistake is said, with its line, and nothing is done."""
    config.write_text(config.read_text().replace("mode: enforce", "mode: strict"))
    said = give("revoke", "global", "--reason", "x")
    assert (said.status, said.out) == (2, "")
    assert "countersign.yaml:8: mode: `strict` is not one of" in said.err


def test_an_end_waits_for_no_library(serving: tuple[Path, list[str]]) -> None:
    """What asks a running server loads neither the settings nor what they need: every part of a second counts."""
    asked = ["revocations", "--config", str(serving[0])]
    check = f"import sys; from proxy.cli.main import app; app({asked!r}, standalone_mode=False)"
    check += f"; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
