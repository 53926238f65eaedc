"""`countersign agent`."""

import json
from pathlib import Path
from typing import Any

from tests.proxy.cli.conftest import add_stranger


def test_agents_are_listed_with_who_answers(give: Any, config: Path) -> None:
    """Owner, standing and dates, in a table and for programs."""
    stranger = add_stranger(config)
    listed = give("agent", "list").out
    for part in ("support-bot", "alice", "In force"):
        assert part in listed
    (agent,) = [one for one in json.loads(give("agent", "list", "--json").out) if one["id"] == "support-bot"]
    assert (agent["owner"], agent["standing"]) == ("alice", "")
    assert give("agent", "list", "--as", stranger).out == "no agents\n"


def test_an_agent_is_shown_with_what_lives_under_it(give: Any, config: Path) -> None:
    """Who answers, how it stands, its tasks and handles; and that it is ended, by whom and why."""
    task = give("task", "begin", "--agent", "support-bot", "--purpose", "x", "--tool", "crm/*").out.strip()
    handle = json.loads(give("handle", "issue", "support-bot", "--for", "bob", "--json").out)
    shown = give("agent", "show", "support-bot").out
    for part in ("alice", "In force", task, handle["id"], "for bob"):
        assert part in shown
    assert handle["handle"] not in shown
    give("revoke", "agent:support-bot", "--reason", "odd")
    assert "Ended by a person (operator:uid=" in give("agent", "show", "support-bot").out
    assert "Ended by a person" in give("agent", "list").out
    assert '"standing": "ended"' in give("agent", "list", "--json").out


def test_an_unknown_agent_is_a_mistake_in_words(give: Any, config: Path) -> None:
    """Exit status 2; and one that is another's is as unknown."""
    for more in (("nobody",), ("support-bot", "--as", add_stranger(config)), ("../tasks",)):
        said = give("agent", "show", *more)
        assert said.status == 2
        assert said.err.count("\n") == 1
