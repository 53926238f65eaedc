"""`countersign revoke`, `lift` and `revocations`."""

import json
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


def test_nothing_is_ended_without_a_reason(give: Any, config: Path) -> None:
    """The reason may be neither missing nor empty."""
    assert give("revoke", "global").status == 2
    assert "say why" in give("revoke", "global", "--reason", " ").err
    assert give("revocations").out == "nothing is revoked\n"
