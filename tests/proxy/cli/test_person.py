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
