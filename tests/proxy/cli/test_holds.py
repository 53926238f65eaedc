"""`countersign holds`: here without a hold; tests/e2e holds, approves and denies real ones."""

import json
from pathlib import Path
from typing import Any


def test_nothing_waits(give: Any, config: Path) -> None:
    """An empty list is a sentence for people and an empty list for programs."""
    assert give("holds", "list").out == "nothing waits for sign-off\n"
    assert json.loads(give("holds", "list", "--all", "--json").out) == []


def test_a_denial_says_why(give: Any, config: Path) -> None:
    """`deny` without a reason is refused before anything is asked."""
    said = give("holds", "deny", "hld_1")
    assert said.status == 2
    assert "--reason" in said.err
