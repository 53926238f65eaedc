"""A slice leaves out only rules that cannot match."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.bundle import Bundle
from policies.cedar import Entities, PolicySet, Question, Schema, Uid
from policies.entities import ancestors, catalogue_entities
from policies.rules import Rule, read_rules
from policies.schema import actions, schema_text
from policies.slicing import Slicer
from tests.fakes.starter_catalogue import STARTER

ASKED = actions(STARTER)
THINGS = catalogue_entities(STARTER)
ABOVE = ancestors(THINGS, ASKED)
ENTITIES = Entities([each.json() for each in THINGS], Schema(schema_text(ASKED.values())))

PRINCIPALS = [
    "principal",
    'principal == Agent::"support-bot"',
    'principal == Agent::"admin-bot"',
    'principal == Person::"bob"',
    'principal in Team::"support"',
    'principal in Team::"security"',
    'principal in Agent::"support-bot"',
    "principal is Agent",
    "principal is Person",
    'principal is Agent in Team::"support"',
    'principal is Person in Team::"support"',
    'principal is Agent in Agent::"support-bot"',
]
ACTIONS = [
    "action",
    'action == Action::"read"',
    'action == Action::"crm/get_customer"',
    'action in Action::"crm/get_customer"',
    'action in Action::"effect:read"',
    'action in [Action::"read", Action::"effect:read", Action::"crm/get_customer"]',
    'action in [Action::"effect:pay", Action::"GET"]',
    "action in []",
]
RESOURCES = [
    "resource",
    'resource == Service::"crm"',
    'resource == Api::"crm"',
    'resource in Service::"crm"',
    "resource is Service",
    "resource is Api",
    'resource is Api in Service::"crm"',
    'resource is Dataset in Dataset::"customers"',
    'resource == Dataset::"customers"',
]
QUESTIONS: list[tuple[Uid, Uid, Uid]] = [
    (who, ("Action", action), what)
    for who in (("Agent", "support-bot"), ("Agent", "admin-bot"), ("Person", "alice"), ("Person", "bob"))
    for action, what in (
        ("read", ("Dataset", "customers")),
        ("crm/get_customer", ("Service", "crm")),
        ("crm/create_refund", ("Service", "crm")),
        ("notes/search_notes", ("Service", "notes")),
        ("GET", ("Api", "crm")),
    )
]
SCOPE = st.tuples(st.sampled_from(PRINCIPALS), st.sampled_from(ACTIONS), st.sampled_from(RESOURCES))


def rules_of(scopes: list[tuple[str, str, str]]) -> list[Rule]:
    text = "".join(f"permit ({', '.join(scope)});\n" for scope in scopes)
    rules, mistakes = read_rules(Bundle({"a.cedar": text}), STARTER)
    assert mistakes == []
    return rules


@settings(max_examples=150, deadline=None)
@given(st.lists(SCOPE, max_size=12), st.sampled_from(QUESTIONS))
def test_every_rule_that_matches_is_relevant(
    scopes: list[tuple[str, str, str]], question: tuple[Uid, Uid, Uid]
) -> None:
    """Whatever Cedar says matches among all rules is in the slice, in the bundle's order, each once."""
    rules = rules_of(scopes)
    relevant = Slicer(rules, ABOVE).relevant(*question)
    assert [rule.place for rule in relevant] == sorted({rule.place for rule in relevant})
    matched = (
        PolicySet({rule.name: rule.policy for rule in rules}).ask(Question(*question).under("{}"), ENTITIES).matched
    )
    assert set(matched) <= {rule.name for rule in relevant}


@pytest.mark.parametrize("principal", PRINCIPALS)
@pytest.mark.parametrize("resource", RESOURCES)
def test_a_scope_that_cannot_match_costs_nothing(principal: str, resource: str) -> None:
    """With no condition, relevant is the same as matching: the index is exact."""
    rules = rules_of([(principal, action, resource) for action in ACTIONS])
    slicer = Slicer(rules, ABOVE)
    for question in QUESTIONS:
        said = PolicySet({rule.name: rule.policy for rule in rules}).ask(Question(*question).under("{}"), ENTITIES)
        assert {rule.name for rule in slicer.relevant(*question)} == set(said.matched)


def test_an_unfamiliar_scope_is_always_relevant() -> None:
    """Should Cedar grow a new kind of scope, it is left to Cedar."""
    (rule,) = rules_of([("principal", "action", "resource")])
    strange = replace(rule, policy={**rule.policy, "principal": {"op": "new"}, "action": {"op": "newer"}})
    assert Slicer([strange], ABOVE).relevant(*QUESTIONS[0]) == (strange,)
