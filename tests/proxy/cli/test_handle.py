"""`countersign handle`."""

import json
from pathlib import Path
from typing import Any


def test_a_handle_is_shown_once(give: Any, config: Path) -> None:
    """The handle alone is on standard output; what it is for is beside it; later only its id is known."""
    said = give("handle", "issue", "support-bot", "--for", "alice", "--ttl", "600", "--purpose", "tests")
    handle = said.out.strip()
    assert handle.startswith("csh_")
    assert "support-bot" in said.err
    listed = give("handle", "list")
    assert "alice" in listed.out
    assert "live" in listed.out
    assert handle not in listed.out + give("handle", "list", "--json").out


def test_a_revoked_handle_is_listed_only_when_asked_for(give: Any, config: Path) -> None:
    """Revoked by its id, with a reason; `--all` still shows it."""
    made = json.loads(give("handle", "issue", "support-bot", "--json").out)
    assert give("handle", "revoke", made["id"], "--reason", "lost").out == f"{made['id']} is revoked\n"
    assert give("handle", "list").out == "no handles\n"
    assert "revoked" in give("handle", "list", "--all", "--agent", "support-bot").out


def test_nobody_gets_a_handle_for_an_agent_that_may_not_call(give: Any, config: Path) -> None:
    """Without an owner no handle is issued, and the reason is said."""
    agents = config.parent / "inventory" / "agents.yaml"
    agents.write_text(agents.read_text().replace("    owner: alice  ", "    # owner: alice  "))
    said = give("handle", "issue", "support-bot")
    assert said.status == 2
    assert "has no owner" in said.err
