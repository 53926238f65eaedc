"""A decision in words, for people."""

import pytest

from policies.explain import describe_requirement, duration, explain
from policies.model import Clause, Decision, Mode, Outcome, Reason, Requirement

HOLD = Requirement(
    (Clause(("owner", "deputy"), 2), Clause(("team:security",))), 900, 5400, ("large",), ("r",), "cancel it"
)


def test_a_hold_says_who_must_sign() -> None:
    """Outcome, reasons, needs and version, a line each."""
    decision = Decision(
        Outcome.HOLD,
        (Reason("held", "r", "large", "crm/refund"),),
        "sha256:x/y",
        HOLD,
        would=Outcome.HOLD,
        duration_us=7,
    )
    assert explain(decision) == [
        "held for sign-off",
        "  crm/refund: a policy asks for sign-off (r): large",
        "  needs 2 people of: owner or deputy",
        "  needs one person: team:security",
        "  to be decided within 15 min, then used within 90 min",
        "  to undo it: cancel it",
        "  policies sha256:x/y, 7 µs",
    ]


def test_an_observed_denial_says_so() -> None:
    """Nobody should think that the policies allowed it."""
    decision = Decision(Outcome.ALLOW, (Reason("no_permit"),), "v", mode=Mode.OBSERVE, would=Outcome.DENY)
    assert explain(decision)[:2] == [
        "allowed, only because policies are observed: denied otherwise",
        "  no policy permits it",
    ]


def test_an_unfamiliar_reason_is_shown_as_it_is() -> None:
    """A code without words is still a reason."""
    assert "  strange" in explain(Decision(Outcome.DENY, (Reason("strange"),), "v"))


def test_a_requirement_stands_alone() -> None:
    """The approver's page shows the same lines."""
    assert len(describe_requirement(HOLD)) == 4


@pytest.mark.parametrize(
    ("seconds", "text"), [(900, "15 min"), (3600, "1 h"), (86400, "1 d"), (90, "90 s"), (0, "0 s")]
)
def test_a_duration_has_the_largest_exact_unit(seconds: int, text: str) -> None:
    """Never rounded."""
    assert duration(seconds) == text
