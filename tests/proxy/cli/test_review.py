"""`countersign review`, over the whole house."""

import json
from pathlib import Path
from typing import Any


def test_what_is_due_is_listed(give: Any, config: Path) -> None:
    """Nothing is due soon when one begins; `--all` shows the rest, and `--json` says more."""
    assert give("review").out == "no review is due soon\n"
    assert "agent:support-bot" in give("review", "--all").out
    told = json.loads(give("review", "--all", "--json").out)
    assert told["reviews"][0]["facts"]["id"] == "support-bot"
    shown = give("review", "show", "agent:support-bot").out
    assert "purpose" in shown


def test_who_answers_in_the_stead_of_who_left_is_listed(give: Any, config: Path) -> None:
    """Beside the owner, in the table; and what of theirs is handed over or refused, services and datasets too."""
    services = config.parent / "inventory" / "services.yaml"
    agents = config.parent / "inventory" / "agents.yaml"
    deputies = "    owner: alice\n    deputies: [{person: bob, start: 2020-01-01, end: 2099-01-01}]\n"
    agents.write_text(agents.read_text().replace("    owner: alice ", f"{deputies}    # ", 1))
    services.write_text(services.read_text().replace("    owner: alice ", f"{deputies}    # ", 1))
    config.write_text(config.read_text().replace("when_owner_leaves: refuse", "when_owner_leaves: deputy"))
    give("person", "deactivate", "alice", "--reason", "left")
    listed = give("review", "--all").out
    assert "alice, who left; bob" in listed
    for what, follows in (
        ("agent:support-bot", "`bob` answers for it meanwhile"),
        ("service:crm", "`bob` answers for it meanwhile"),
        ("dataset:customers", "all calls that touch it are refused"),
    ):
        assert [line for line in listed.splitlines() if line.startswith(what) and line.endswith(follows)], listed


def test_an_overdue_agent_is_attested_by_its_owner(give: Any, config: Path) -> None:
    """Marked, then attested as its owner; not as anybody else, and not without saying as whom."""
    agents = config.parent / "inventory" / "agents.yaml"
    lines = [
        "    review_due: 2020-01-01" if line.startswith("    review_due:") else line
        for line in agents.read_text().splitlines()
    ]
    agents.write_text("\n".join(lines) + "\n")
    listed = give("review").out
    assert "2020-01-01 OVERDUE" in listed
    assert "Review overdue" in listed
    assert "agent_review_overdue" not in listed
    assert "Review overdue" in give("review", "show", "agent:support-bot").out
    assert json.loads(give("review", "--json").out)["reviews"][0]["standing"] == "agent_review_overdue"
    owner = json.loads(give("review", "show", "agent:support-bot", "--json").out)["owner"]
    nobody = give("review", "attest", "agent:support-bot", "--note", "looked")
    assert (nobody.status, nobody.out, "--as PERSON" in nobody.err) == (2, "", True)
    stale = give("review", "attest", "agent:support-bot", "--note", "x", "--as", owner, "--digest", "sha256:0")
    assert (stale.status, "has changed since you looked at it" in stale.err) == (2, True)
    done = give("review", "attest", "agent:support-bot", "--note", "looked", "--as", owner)
    assert "agent:support-bot is attested; its next review is due " in done.out
    assert give("review").out == "no review is due soon\n"


def test_what_is_not_needed_is_ended(give: Any, config: Path) -> None:
    """For a reason; it is then among what is revoked."""
    assert give("review", "end", "agent:support-bot").status == 2
    done = give("review", "end", "agent:support-bot", "--reason", "replaced")
    assert done.out == "agent:support-bot is ended\n"
    assert "agent:support-bot" in give("revocations").out
    assert give("review", "end", "agent:none", "--reason", "x").status == 2
