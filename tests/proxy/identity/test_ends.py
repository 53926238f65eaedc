"""What ends an agent or a business process."""

from datetime import date

import pytest

from proxy.facts import Agent, Process
from proxy.identity.ends import ends_of_agent, ends_of_process

FAR = date(2099, 1, 1)
BARE = Agent(id="a", owner=None, purpose="x", expires=FAR, review_due=FAR)


@pytest.mark.parametrize(
    ("facts", "answering", "deputy_for", "ends"),
    [
        ({}, None, "", ["agent:a", "class:utility"]),
        ({"owner": "olga"}, "olga", "", ["agent:a", "class:utility", "owner:olga"]),
        ({"owner": "olga"}, None, "", ["agent:a", "class:utility", "owner:olga"]),
        ({"owner": "olga"}, "dana", "olga", ["agent:a", "class:utility", "owner:dana", "owner:olga"]),
        # of an instance with an owner of its own, who left
        ({"owner": "olga"}, "dana", "ivan", ["agent:a", "class:utility", "owner:dana", "owner:olga", "owner:ivan"]),
        ({"team": "t", "partner": "acme"}, None, "", ["agent:a", "class:utility", "team:t", "partner:acme"]),
    ],
)
def test_an_agent_ends_with_all_who_answer_for_it(
    facts: dict[str, str], answering: str | None, deputy_for: str, ends: list[str]
) -> None:
    """With its class, its team, its partner, its owner, and the deputy who answers for it today."""
    assert [*ends_of_agent(BARE.model_copy(update=facts), answering, deputy_for)] == ends


def test_a_process_ends_with_its_owner() -> None:
    """With whoever answers for it, and whoever it names."""
    process = Process(
        id="nightly", owner="olga", purpose="x", trigger="schedule", reference="0 3 * * *", agents=("a",),
        expires=FAR, review_due=FAR,
    )  # fmt: skip
    assert ends_of_process(process, None) == ("process:nightly", "owner:olga")
    assert ends_of_process(process, "olga") == ("process:nightly", "owner:olga")
    assert ends_of_process(process, "dana") == ("process:nightly", "owner:dana", "owner:olga")
