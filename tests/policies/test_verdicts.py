"""One question, judged: the strictest of what its rules say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.bundle import Bundle
from policies.cedar import Entities, PolicySet, Question, Schema
from policies.model import Catalogue, Outcome
from policies.rules import read_rules
from policies.verdicts import Slice, Verdict

ENTITIES = Entities([], Schema("entity Agent; entity Service;"))
QUESTION = Question(("Agent", "x"), ("Action", "a"), ("Service", "s"))
SCOPE = "(principal, action, resource)"
FAILS = "when { context.missing > 1 }"
PERMIT = f'@id("permit") permit {SCOPE};'
FORBID = f'@id("forbid") @reason("because") forbid {SCOPE};'
HOLD = f'@id("hold") @hold("owner") forbid {SCOPE};'
HOLD_TOO = f'@id("hold-too") @hold("deputy") forbid {SCOPE};'
FORBID_FAILS = f'@id("forbid-fails") forbid {SCOPE} {FAILS};'
HOLD_FAILS = f'@id("hold-fails") @hold("owner") forbid {SCOPE} {FAILS};'
PERMIT_FAILS = f'@id("permit-fails") permit {SCOPE} {FAILS};'
WATCHED = f'@id("watched") @mode("observe") forbid {SCOPE};'
WATCHED_PERMIT = f'@id("watched-permit") @mode("observe") permit {SCOPE};'
WATCHED_HOLD = f'@id("watched-hold") @mode("observe") @hold("owner") forbid {SCOPE};'
WATCHED_FAILS = f'@id("watched-fails") @mode("observe") forbid {SCOPE} {FAILS};'
UNMATCHED = f'@id("unmatched") @hold("owner") forbid {SCOPE} when {{ context has missing }};'


def judge(*statements: str) -> Verdict:
    rules, mistakes = read_rules(Bundle({"a.cedar": "\n".join(statements)}), Catalogue("v"))
    assert mistakes == []
    return Slice.compile(rules).judge(QUESTION.under("{}"), ENTITIES, "a question")


@pytest.mark.parametrize(
    ("statements", "outcome", "reasons"),
    [
        ([], Outcome.DENY, ["no_permit"]),
        ([PERMIT], Outcome.ALLOW, ["permitted permit"]),
        ([PERMIT, UNMATCHED], Outcome.ALLOW, ["permitted permit"]),
        ([FORBID], Outcome.DENY, ["forbidden forbid"]),
        ([PERMIT, FORBID], Outcome.DENY, ["forbidden forbid"]),
        ([PERMIT, HOLD], Outcome.HOLD, ["held hold"]),
        ([HOLD_TOO, PERMIT, HOLD], Outcome.HOLD, ["held hold-too", "held hold"]),
        ([HOLD], Outcome.DENY, ["no_permit"]),
        ([PERMIT, HOLD, FORBID], Outcome.DENY, ["forbidden forbid"]),
        ([PERMIT, FORBID_FAILS], Outcome.DENY, ["policy_error"]),
        ([PERMIT, HOLD_FAILS], Outcome.DENY, ["policy_error"]),
        ([PERMIT, PERMIT_FAILS], Outcome.DENY, ["policy_error"]),
        ([PERMIT, HOLD, HOLD_FAILS], Outcome.DENY, ["policy_error"]),
        ([PERMIT, WATCHED], Outcome.ALLOW, ["permitted permit", "observed watched"]),
        (
            [PERMIT, WATCHED, WATCHED_HOLD],
            Outcome.ALLOW,
            ["permitted permit", "observed watched", "observed watched-hold"],
        ),
        ([PERMIT, WATCHED_FAILS], Outcome.ALLOW, ["permitted permit", "observed_error"]),
        ([WATCHED_PERMIT], Outcome.DENY, ["no_permit", "observed watched-permit"]),
        ([FORBID, WATCHED_PERMIT], Outcome.DENY, ["forbidden forbid", "observed watched-permit"]),
    ],
)
def test_the_strictest_wins(statements: list[str], outcome: Outcome, reasons: list[str]) -> None:
    """Error, forbid, no permit, hold, allow; observed rules are told, and change nothing."""
    verdict = judge(*statements)
    assert verdict.outcome is outcome
    assert [f"{reason.code} {reason.rule}".strip() for reason in verdict.reasons] == reasons


def test_reasons_carry_the_rule_and_the_question() -> None:
    """For the record and the owner."""
    (reason,) = judge(FORBID).reasons
    assert (reason.text, reason.question) == ("because", "a question")


def test_only_a_hold_brings_requirements() -> None:
    """All of them, in the order of the bundle; a denial brings none."""
    assert [hold.rules for hold in judge(PERMIT, HOLD, HOLD_TOO).holds] == [("hold",), ("hold-too",)]
    assert judge(HOLD).holds == judge(PERMIT, HOLD, FORBID).holds == ()


SIDES = [f'@id("{number}") {effect} {SCOPE} {condition};' for number, (effect, condition) in enumerate(
    (effect, condition)
    for effect in ("permit", "forbid", '@hold("owner") forbid')
    for condition in ("", "when { context has nothing }", "when { !(context has nothing) }", FAILS)
)]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SIDES), unique=True, max_size=6))
def test_one_evaluation_says_what_each_rule_alone_would(statements: list[str]) -> None:
    """Judged together as when every rule is put to Cedar by itself, as what it is, and the answers are combined."""
    rules, _ = read_rules(Bundle({"a.cedar": "\n".join(statements)}), Catalogue("v"))
    alone = [(rule, PolicySet({"p": rule.policy}).ask(QUESTION.under("{}"), ENTITIES)) for rule in rules]
    matched = [rule for rule, answer in alone if answer.matched]
    forbidden = any(rule.effect == "forbid" and rule.hold is None for rule in matched)
    permitted = any(rule.effect == "permit" for rule in matched)
    expected = Outcome.HOLD if any(rule.hold for rule in matched) else Outcome.ALLOW
    if any(answer.errors for _, answer in alone) or forbidden or not permitted:
        expected = Outcome.DENY
    verdict = judge(*statements)
    assert verdict.outcome is expected
    holds = [rule.hold for rule in matched if rule.hold] if expected is Outcome.HOLD else []
    assert list(verdict.holds) == holds
