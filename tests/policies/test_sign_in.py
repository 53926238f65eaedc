"""Policies that ask whether a person was there: when they signed in, and by what."""

from dataclasses import replace
from typing import Any

import pytest

from policies.bundle import Bundle
from policies.engine import compile_engine
from policies.mistakes import PolicyMistakes
from policies.model import Mode, Outcome
from tests.fakes.starter_catalogue import REFUND_CALL, STARTER

NOW = int(REFUND_CALL.now)
FRESH = """
permit (principal, action, resource);
@id("fresh-sign-in")
forbid (principal, action == Action::"crm/create_refund", resource)
unless { context has auth_age && context.auth_age < 3600 && context.amr.containsAny(["otp", "hwk", "mfa"]) };
"""


@pytest.mark.parametrize(
    ("known", "outcome"),
    [
        ({"auth_time": NOW - 600, "amr": ("pwd", "otp")}, Outcome.ALLOW),
        ({"auth_time": NOW + 20, "amr": ("hwk",)}, Outcome.ALLOW),
        ({"auth_time": NOW - 3599, "amr": ("mfa",)}, Outcome.ALLOW),
        ({"auth_time": NOW - 3600, "amr": ("pwd", "otp")}, Outcome.DENY),
        ({"auth_time": NOW - 600, "amr": ("pwd",)}, Outcome.DENY),
        ({"auth_time": NOW - 600}, Outcome.DENY),
        ({"amr": ("otp",)}, Outcome.DENY),
        ({"auth_time": 0, "amr": ("otp",)}, Outcome.DENY),
        ({}, Outcome.DENY),
    ],
)
def test_a_refund_needs_a_fresh_sign_in_with_a_second_factor(known: dict[str, Any], outcome: Outcome) -> None:
    """Too long ago, by a password alone, or nothing known of it: refused."""
    decision = compile_engine(Bundle({"a.cedar": FRESH}), STARTER, Mode.ENFORCE).decide(replace(REFUND_CALL, **known))
    assert decision.outcome is outcome
    if outcome is Outcome.DENY:
        assert decision.reasons[0].rule == "fresh-sign-in"


@pytest.mark.parametrize(("acr", "outcome"), [("gold", Outcome.ALLOW), ("silver", Outcome.DENY), ("", Outcome.DENY)])
def test_a_rule_may_ask_for_a_class_of_sign_in(acr: str, outcome: Outcome) -> None:
    """`acr` is what the issuer calls it; empty where it says nothing, which is no class."""
    text = (
        'permit (principal, action, resource); forbid (principal, action, resource) unless { context.acr == "gold" };'
    )
    decision = compile_engine(Bundle({"a.cedar": text}), STARTER, Mode.ENFORCE).decide(replace(REFUND_CALL, acr=acr))
    assert decision.outcome is outcome


def test_a_rule_that_takes_the_age_for_granted_is_a_mistake() -> None:
    """It could not be evaluated where nothing is known: `context has auth_age` comes first."""
    text = "forbid (principal, action, resource) when { context.auth_age > 3600 };"
    with pytest.raises(PolicyMistakes):
        compile_engine(Bundle({"a.cedar": text}), STARTER, Mode.ENFORCE)
