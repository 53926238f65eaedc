"""`countersign person`."""

import json
from pathlib import Path
from typing import Any


def test_a_link_signs_in_at_the_console(give: Any, serving: tuple[Path, list[str]]) -> None:
    """The link leads to the running console, with a code in it."""
    console = next(line.split()[1] for line in serving[1] if line.startswith("console"))
    assert give("person", "link", "alice", "-c", serving[0]).out.startswith(f"{console}/sign-in?code=")


def test_a_token_is_all_that_is_printed(give: Any, config: Path) -> None:
    """So that it can stand in another command; `--json` says when it ends."""
    assert give("person", "token", "alice").out.count("\n") == 1
    told = json.loads(give("person", "token", "alice", "--ttl", "600", "--json").out)
    assert told.keys() >= {"token", "not_after"}


def test_a_person_leaves_and_comes_back(give: Any, config: Path) -> None:
    """What they own is told to have lost its owner; a reason is needed; the files' word stands."""
    assert give("person", "deactivate", "alice").status == 2
    assert give("person", "deactivate", "alice", "--reason", "left").out == "alice is inactive\n"
    assert give("person", "token", "alice").status == 2
    assert give("person", "activate", "alice", "--reason", "back").out == "alice is active\n"
    assert give("person", "deactivate", "nobody", "--reason", "x").status == 2
    people = config.parent / "inventory" / "people.yaml"
    people.write_text(people.read_text().replace("  - id: alice\n", "  - id: alice\n    active: false\n"))
    said = give("person", "activate", "alice", "--reason", "back").out
    assert said == "alice stays inactive: the inventory's files say so\n"
