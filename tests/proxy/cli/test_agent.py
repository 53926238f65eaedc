"""`countersign agent`."""

import json
import re
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
    assert "Ended by a person: odd (operator:uid=" in give("agent", "show", "support-bot").out
    assert "Ended by a person" in give("agent", "list").out
    assert '"standing": "ended"' in give("agent", "list", "--json").out


def test_an_agent_is_shown_with_where_it_comes_from_and_how_it_is_undone(give: Any, config: Path) -> None:
    """Its artefact, its zone, whom to ask after its owner, and how what it does is undone."""
    agents = config.parent / "inventory" / "agents.yaml"
    more = "    deployment: registry/bot:7\n    trust_zone: dmz\n    escalation: [bob]\n    rollback: scale to zero\n"
    agents.write_text(agents.read_text().replace("    ticket: SUP-1\n", f"    ticket: SUP-1\n{more}", 1))
    shown = give("agent", "show", "support-bot").out
    for name, value in (("deployment", "registry/bot:7"), ("trust_zone", "dmz"), ("escalation", "bob"),
                        ("rollback", "scale to zero")):  # fmt: skip
        assert [line for line in shown.splitlines() if line.startswith(name) and value in line], (name, shown)


def test_an_agent_whose_owner_left_or_whose_review_is_overdue_says_so_in_words(give: Any, config: Path) -> None:
    """Refused; waiting for a person; or answered for by a deputy: each is told, and when its next review is due."""
    agents = config.parent / "inventory" / "agents.yaml"
    deputy = "    deputies: [{person: bob, start: 2020-01-01, end: 2099-01-01}]\n    review_due:"
    agents.write_text(agents.read_text().replace("    review_due:", deputy, 1))
    give("person", "deactivate", "alice", "--reason", "left")
    assert "Owner has left" in give("agent", "list").out
    shown = give("agent", "show", "support-bot").out
    assert "Owner has left: The agent `support-bot` has an owner who is no longer" in shown
    rules = {"when_owner_leaves: refuse": "when_owner_leaves: deputy", "review_overdue: refuse": "review_overdue: hold"}
    for old, new in rules.items():
        assert old in config.read_text()
        config.write_text(config.read_text().replace(old, new))
    assert "In force, bob answers for it" in give("agent", "list").out
    agents.write_text(re.sub(r"    review_due: \S+", "    review_due: 2020-01-01", agents.read_text()))
    assert "Each call waits for a person" in give("agent", "list").out
    shown = give("agent", "show", "support-bot").out
    assert (
        "Each call waits for a person: The agent `support-bot` was due for review by its owner on 2020-01-01." in shown
    )


def test_an_unknown_agent_is_a_mistake_in_words(give: Any, config: Path) -> None:
    """Exit status 2; and one that is another's is as unknown."""
    for more in (("nobody",), ("support-bot", "--as", add_stranger(config)), ("../tasks",)):
        said = give("agent", "show", *more)
        assert said.status == 2
        assert said.err.count("\n") == 1
