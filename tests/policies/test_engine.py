"""The policies in force: what they answer, and that they never allow by accident."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.boundaries import Known
from policies.bundle import Bundle
from policies.cedar import Entities, Schema
from policies.engine import Engine, compile_engine
from policies.entities import ancestors, catalogue_entities
from policies.mistakes import PolicyMistakes
from policies.model import Clause, DatasetUse, Decision, Inquiry, Json, Mode, Outcome, ServiceFacts, ToolFacts
from policies.rules import Rule, read_rules
from policies.schema import actions, schema_text
from policies.slicing import Slicer
from tests.fakes.starter_catalogue import READ_CALL, REFUND_CALL, STARTER, arguments

EVERYTHING = "permit (principal, action, resource);"
REFUND = 'action == Action::"crm/create_refund"'


def engine(text: str, mode: Mode = Mode.ENFORCE) -> Engine:
    return compile_engine(Bundle({"a.cedar": text} if text else {}), STARTER, mode)


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


# --- the answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("text", ["", "// nothing but a comment\n"])
def test_nothing_configured_denies(text: str, mode: Mode) -> None:
    """An empty bundle allows nothing, not even where policies are only observed."""
    decision = engine(text, mode).decide(REFUND_CALL)
    assert (decision.outcome, codes(decision)) == (Outcome.DENY, ["nothing_configured"])


def test_all_answers_must_be_yes() -> None:
    """The tool is permitted, the dataset behind it is not: denied, and the denial is told first."""
    tool_only = engine('permit (principal, action == Action::"crm/get_customer", resource);')
    decision = tool_only.decide(READ_CALL)
    assert decision.outcome is Outcome.DENY
    assert [(reason.code, reason.question) for reason in decision.reasons] == [
        ("no_permit", "read customers"),
        ("permitted", "crm/get_customer"),
    ]


def test_the_person_must_be_permitted_as_well() -> None:
    """An agent does not lend itself to somebody who may not do this."""
    agents_only = engine("permit (principal is Agent, action, resource);")
    assert agents_only.decide(READ_CALL).outcome is Outcome.ALLOW
    decision = agents_only.decide(replace(READ_CALL, on_behalf_of="bob"))
    assert decision.outcome is Outcome.DENY
    assert decision.reasons[0].question == "crm/get_customer on behalf of bob"


def test_holds_of_several_questions_are_one_requirement() -> None:
    """Clauses of the tool's and the dataset's holds together; the same hold asked twice counts once."""
    both = engine(
        EVERYTHING
        + '@id("t") @hold("owner") @expires("1h") forbid (principal, action == Action::"crm/get_customer", resource);'
        + '@id("d") @hold("dataset_owner") @quorum("2") @reason("pii")'
        + 'forbid (principal, action == Action::"read", resource);'
    )
    requirement = both.decide(replace(READ_CALL, on_behalf_of="bob")).requirement
    assert requirement is not None
    assert requirement.clauses == (Clause(("owner",), 1), Clause(("dataset_owner",), 2))
    assert (requirement.decide_within, requirement.rules, requirement.reasons) == (900, ("t", "d"), ("pii",))


def test_a_denial_has_no_requirement() -> None:
    """Nobody should be asked to sign what is forbidden anyway."""
    denied = engine(
        EVERYTHING
        + '@hold("owner") forbid (principal, action == Action::"crm/get_customer", resource);'
        + 'forbid (principal, action == Action::"read", resource);'
    )
    decision = denied.decide(READ_CALL)
    assert (decision.outcome, decision.requirement) == (Outcome.DENY, None)


def test_a_decision_names_policies_and_catalogue() -> None:
    """A change of either is another version."""
    first = engine(EVERYTHING)
    assert (
        first.decide(REFUND_CALL).policy_version
        == first.version
        == f"{Bundle({'a.cedar': EVERYTHING}).version}/starter"
    )
    assert engine(EVERYTHING + " ").version != first.version
    assert first.decide(REFUND_CALL).duration_us > 0


# --- observing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "would"),
    [
        (EVERYTHING, Outcome.ALLOW),
        (f"forbid (principal, {REFUND}, resource);", Outcome.DENY),
        (EVERYTHING + f'@hold("owner") forbid (principal, {REFUND}, resource);', Outcome.HOLD),
        (
            EVERYTHING
            + f"forbid (principal, {REFUND}, resource) when {{ context.arguments.amount * 9223372036854775807 > 0 }};",
            Outcome.DENY,
        ),
    ],
)
def test_an_observed_engine_allows_and_tells_what_it_would_have_said(text: str, would: Outcome) -> None:
    """Outcome allow, `would` the real one, no requirement."""
    decision = engine(text, Mode.OBSERVE).decide(REFUND_CALL)
    assert (decision.outcome, decision.would, decision.requirement, decision.mode) == (
        Outcome.ALLOW,
        would,
        None,
        Mode.OBSERVE,
    )
    enforced = engine(text).decide(REFUND_CALL)
    assert enforced.outcome is enforced.would is would
    assert enforced.reasons == decision.reasons


@pytest.mark.parametrize(
    "change",
    [{"agent": "x"}, {"service": "x"}, {"tool": "x"}, {"on_behalf_of": "x"}, {"datasets": (DatasetUse("x", "read"),)}],
)
def test_observing_does_not_admit_strangers(change: dict) -> None:
    """Who and what is unknown was never a matter of policy."""
    assert engine(EVERYTHING, Mode.OBSERVE).decide(replace(REFUND_CALL, **change)).outcome is Outcome.DENY


# --- arguments ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["5000", 5000.0, True, None, [5000], {"x": 1}])
def test_a_wrong_type_never_skips_a_forbid(amount: Json) -> None:
    """Not even where no rule reads the argument: the call is denied before any policy is asked."""
    for text in (
        EVERYTHING,
        EVERYTHING + f"forbid (principal, {REFUND}, resource) when {{ context.arguments.amount > 100 }};",
    ):
        decision = engine(text).decide(replace(REFUND_CALL, arguments={"customer": "x", "amount": amount}))
        assert (decision.outcome, codes(decision)) == (Outcome.DENY, ["arguments_invalid"])
        assert "`amount` must be an integer" in decision.reasons[0].text


def test_an_overflow_is_a_denial() -> None:
    """Cedar's arithmetic errs, and an error is not a decision in favour."""
    text = EVERYTHING + f"forbid (principal, {REFUND}, resource) when {{ context.arguments.amount + 1 > 100 }};"
    decision = engine(text).decide(replace(REFUND_CALL, arguments={"customer": "x", "amount": 2**63 - 1}))
    assert (decision.outcome, codes(decision)) == (Outcome.DENY, ["policy_error"])


def test_text_that_cannot_be_encoded_is_a_denial() -> None:
    """A lone surrogate cannot be put to the policies."""
    text = EVERYTHING + f'forbid (principal, {REFUND}, resource) when {{ context.arguments.customer == "x" }};'
    decision = engine(text).decide(replace(REFUND_CALL, arguments={"customer": "\ud800", "amount": 1}))
    assert (decision.outcome, codes(decision)) == (Outcome.DENY, ["policy_error"])


def test_an_argument_cannot_pose_as_an_entity() -> None:
    """A value is data, whatever its keys are called: here it does not fit, elsewhere it stays hidden."""
    posing: dict[str, Json] = {"__entity": {"type": "Person", "id": "alice"}}
    untyped = replace(REFUND_CALL, tool="export_customers", arguments={"all": posing})
    text = "permit (principal, action, resource) when { context == context };"
    assert engine(text).decide(untyped).outcome is Outcome.ALLOW
    assert codes(engine(text).decide(replace(REFUND_CALL, arguments={"customer": posing, "amount": 1}))) == [
        "arguments_invalid"
    ]


def test_a_tool_that_cedar_cannot_express_is_named() -> None:
    """One mistake for each such tool, not a crash."""
    broken = ServiceFacts("s", "alice", tools=(ToolFacts("ok"), ToolFacts("bad\ud800")))
    with pytest.raises(PolicyMistakes) as caught:
        compile_engine(Bundle({"a.cedar": EVERYTHING}), replace(STARTER, services=(broken,)), Mode.ENFORCE)
    assert [mistake.field for mistake in caught.value.mistakes] == ["s/bad\ud800"]


def test_every_mistake_of_a_bundle_is_told_at_once() -> None:
    """What cannot be read, bad annotations, unknown names and invalid expressions, in reading order."""
    first = f"""@hold("x") forbid (principal, action, resource);
permit (principal == Agent::"x", action, resource);
{EVERYTHING}
forbid (principal, action, resource) when {{ context.nope }};
"""
    bundle = Bundle({"b.cedar": "permit (", "a.cedar": first})
    with pytest.raises(PolicyMistakes) as caught:
        compile_engine(bundle, STARTER, Mode.ENFORCE)
    assert [(mistake.file, mistake.line) for mistake in caught.value.mistakes] == [
        ("a.cedar", 1),
        ("a.cedar", 2),
        ("a.cedar", 4),
        ("b.cedar", 1),
    ]


def test_any_thread_may_ask() -> None:
    """Answers do not depend on who else is asking."""
    asked = engine(
        EVERYTHING
        + f'@hold("owner") forbid (principal, {REFUND}, resource) when {{ context.arguments.amount > 1000 }};'
    )
    inquiries = [replace(REFUND_CALL, arguments={"customer": "x", "amount": amount}) for amount in range(900, 1100)]
    with ThreadPoolExecutor(4) as pool:
        outcomes = [decision.outcome for decision in pool.map(asked.decide, inquiries)]
    assert outcomes == [Outcome.ALLOW] * 101 + [Outcome.HOLD] * 99


def test_an_answer_is_remembered_only_under_the_same_circumstances() -> None:
    """The same question at another hour is asked anew; what arguments a call had is not kept."""
    text = EVERYTHING + "forbid (principal, action, resource) when { context.hour >= 13 };"
    asked = engine(text + f"forbid (principal, {REFUND}, resource) when {{ context.arguments.amount > 1000 }};")
    later = replace(READ_CALL, now=READ_CALL.now + 3600)
    outcomes = [asked.decide(call).outcome for call in (READ_CALL, later, READ_CALL, later)]
    assert outcomes == [Outcome.ALLOW, Outcome.DENY, Outcome.ALLOW, Outcome.DENY]
    assert asked._remembered.cache_info().hits == 4
    asked.decide(REFUND_CALL)
    assert asked._remembered.cache_info().currsize == 4


# --- slices and pruned contexts answer as everything would ----------------------------------------------------

SCOPES = [
    "principal, action, resource",
    "principal is Agent, action, resource",
    "principal is Person, action, resource",
    'principal in Team::"support", action, resource',
    'principal == Agent::"support-bot", action, resource in Service::"crm"',
    "principal, action, resource is Dataset",
    'principal, action in Action::"effect:read", resource',
    'principal, action in [Action::"read", Action::"connect"], resource',
    'principal, action == Action::"crm/create_refund", resource == Service::"crm"',
    'principal, action == Action::"GET", resource is Api in Service::"crm"',
]
CONDITIONS = [
    "",
    "when { context.hour >= 12 }",
    "when { context == context }",
    'when { context has on_behalf_of && context.on_behalf_of in Team::"security" }',
    'when { context.datasets.contains(Dataset::"customers") }',
    'unless { context.task == "t" }',
    "when { context.chain_depth * 9223372036854775807 > 1 }",
    'when { context has arguments && context.chain.contains("human:bob") }',
]
REFUND_CONDITIONS = [
    "when { context.arguments.amount > 1000 }",
    'when { context.arguments has currency && context.arguments.currency == "EUR" }',
    "when { context.arguments.amount * 9223372036854775807 > 0 }",
    "when { context.arguments == context.arguments && context.hour < 13 }",
]
EFFECTS = ["permit", "permit", "forbid", '@hold("owner") forbid', '@mode("observe") forbid', '@mode("observe") permit']
ANY_RULE = st.builds(
    "{} ({}) {};".format, st.sampled_from(EFFECTS), st.sampled_from(SCOPES), st.sampled_from(CONDITIONS)
)
REFUND_RULE = st.builds(
    "{} ({}) {};".format, st.sampled_from(EFFECTS), st.just(SCOPES[8]), st.sampled_from(REFUND_CONDITIONS)
)
RULES = st.lists(ANY_RULE | REFUND_RULE, min_size=1, max_size=8)
CALLS = st.builds(
    lambda base, amount, person, hops, hour, task, data: replace(
        base,
        arguments={**base.arguments, "amount": amount} if base.tool == "create_refund" else base.arguments,
        on_behalf_of=person,
        chain=("human:bob", *("agent:x",) * hops),
        now=base.now + 3600 * hour,
        task=task,
        datasets=data,
    ),
    st.sampled_from(
        [REFUND_CALL, READ_CALL, replace(READ_CALL, tool=None), replace(READ_CALL, tool=None, lifecycle=True)]
    ),
    st.sampled_from([0, 1, 1000, 1001, 2**63 - 1]),
    st.sampled_from([None, "alice", "bob"]),
    st.integers(0, 3),
    st.integers(-12, 11),
    st.sampled_from(["", "t"]),
    st.sampled_from(
        [
            (),
            (DatasetUse("customers", "read"),),
            (DatasetUse("customers", "write"), DatasetUse("customer-exports", "read")),
        ]
    ),
)


class Everything(Slicer):
    """No slicing: every rule is relevant to every question."""

    def relevant(self, *_: object) -> tuple[Rule, ...]:
        return self.rules


@cache
def world() -> tuple[Known, dict, Entities]:
    asked, things = actions(STARTER), catalogue_entities(STARTER)
    entities = Entities([each.json() for each in things], Schema(schema_text(asked.values())))
    return Known(STARTER, asked), ancestors(things, asked), entities


def both(rules: list[Rule]) -> tuple[Engine, Engine]:
    """The engine, and one that asks all rules under the whole context."""
    known, above, entities = world()
    whole = [replace(rule, refers=replace(rule.refers, context=None, arguments=None)) for rule in rules]
    return (
        Engine("v", Mode.ENFORCE, known, Slicer(rules, above), entities),
        Engine("v", Mode.ENFORCE, known, Everything(whole, above), entities),
    )


@settings(max_examples=200, deadline=None)
@given(RULES, st.lists(CALLS, min_size=1, max_size=3))
def test_slicing_changes_no_answer(texts: list[str], inquiries: list[Inquiry]) -> None:
    """The same outcome, reasons and requirement as with every rule and the whole context."""
    rules, mistakes = read_rules(Bundle({"a.cedar": "\n".join(texts)}), STARTER)
    assert mistakes == []
    sliced, whole = both(rules)
    for inquiry in inquiries:
        assert replace(sliced.decide(inquiry), duration_us=0) == replace(whole.decide(inquiry), duration_us=0)


def errs(rule: Rule, inquiry: Inquiry) -> bool:
    """Whether this rule, alone with a permit for all, errs on any question of the call."""
    (permit,), _ = read_rules(Bundle({"p.cedar": EVERYTHING}), STARTER)
    alone = both([replace(rule, place=1), permit])[1]
    return "policy_error" in codes(alone.decide(inquiry))


@settings(max_examples=100, deadline=None)
@given(RULES, CALLS)
def test_an_engine_never_allows_when_a_rule_errs(texts: list[str], inquiry: Inquiry) -> None:
    """Any error of any enforced rule, on any question of the call, is a denial."""
    rules, _ = read_rules(Bundle({"a.cedar": "\n".join([*texts, EVERYTHING])}), STARTER)
    decision = both(rules)[0].decide(inquiry)
    if any(errs(rule, inquiry) for rule in rules):
        assert decision.outcome is Outcome.DENY
        assert decision.requirement is None


# --- what is converted fits what was promised ------------------------------------------------------------------

PROPERTY = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "enum": ["a", "b"]},
            {"type": "integer"},
            {"type": "number"},
            {"type": "boolean"},
            {"type": ["string", "null"]},
            {"type": ["integer", "string"]},
            {},
        ]
    ),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items}, inner)
        | st.builds(
            lambda properties, required: {"type": "object", "properties": properties, "required": sorted(required)},
            st.dictionaries(st.sampled_from(["a", "b c", "__extn"]), inner, max_size=2),
            st.sets(st.sampled_from(["a", "b c"]), max_size=1),
        )
    ),
    max_leaves=4,
)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.sampled_from(["a", "c", "", 'é\n"', "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b c", "__extn", "__entity"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["x", "y-z", "__entity"]), PROPERTY, max_size=3), st.data())
def test_any_arguments_are_judged_or_denied(properties: dict, data: st.DataObject) -> None:
    """Whatever the schema and the values: the policies are asked without error, or the call is denied."""
    tool = ToolFacts("t", "read", arguments([], **properties))
    catalogue = replace(STARTER, services=(ServiceFacts("s", "alice", tools=(tool,)),))
    reads_all = compile_engine(
        Bundle({"a.cedar": "permit (principal, action, resource) when { context == context };"}),
        catalogue,
        Mode.ENFORCE,
    )
    given_ = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(properties, VALUE)))
    decision = reads_all.decide(replace(REFUND_CALL, service="s", tool="t", arguments=given_))
    assert decision.outcome is Outcome.ALLOW or codes(decision)[0] in {"arguments_invalid", "policy_error"}
    assert "policy_error" not in codes(decision) or "\\ud800" in repr(given_)
