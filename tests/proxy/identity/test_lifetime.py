"""How long an identity lasts, by the class that its agent has now, however it was issued."""

from dataclasses import replace
from datetime import date

import pytest

from proxy.facts import Agent, Inventory, OwnershipRules
from proxy.identity.lifetime import end_of, task_end
from proxy.identity.methods import HANDLE, JWT_SVID, TASK_TOKEN
from proxy.stages import Proven

NOW = 1_790_000_000.0
FAR = date(2099, 1, 1)
RULES = OwnershipRules(privileged_handle_seconds=600, privileged_token_seconds=300, privileged_task_seconds=900)
SHOWN = Proven("bot", HANDLE, "hnd_1", NOW, NOW + 3600, "task_1")


def inventory(agent_class: str) -> Inventory:
    bot = Agent.model_validate(
        {"id": "bot", "owner": "alice", "purpose": "x", "agent_class": agent_class, "expires": FAR, "review_due": FAR}
    )
    return Inventory(version="v", people={}, teams={}, agents={"bot": bot}, services={}, datasets={}, rules=RULES)


@pytest.mark.parametrize(
    ("agent_class", "shown", "seconds"),
    [
        ("utility", SHOWN, 3600),
        ("privileged", SHOWN, 600),
        ("privileged", replace(SHOWN, method=TASK_TOKEN), 300),
        ("privileged", replace(SHOWN, made_at=NOW - 100), 500),  # from when it was made, however old its task
        ("privileged", replace(SHOWN, method=JWT_SVID), 3600),  # of its issuer, who says how long
        ("privileged", replace(SHOWN, method=JWT_SVID, begun=(("bot", NOW),)), 900),
        ("utility", replace(SHOWN, begun=(("bot", NOW - 3000),)), 3600),
        ("privileged", replace(SHOWN, begun=(("bot", NOW), ("bot", NOW - 800))), 100),  # and that above it
    ],
)
def test_it_ends_with_the_soonest_of_what_bounds_it(agent_class: str, shown: Proven, seconds: float) -> None:
    """Its own end; for a privileged agent what such an agent may have of handles, tokens and tasks."""
    assert end_of(shown, inventory(agent_class)) == NOW + seconds


def test_an_agent_that_is_not_there_gets_no_longer_for_that() -> None:
    """Its credential's own end still holds; that it may not call is said elsewhere."""
    gone = inventory("privileged").model_copy(update={"agents": {}})
    assert end_of(SHOWN, gone) == NOW + 3600
    assert task_end(SHOWN, gone) == float("inf")
