"""The door to Cedar: errors never count in favour."""

import pytest

from policies.cedar import Answer, CedarError, Entities, PolicySet, Question, Schema, _read, parse

SCHEMA = Schema(
    "entity Agent; entity Service;"
    'action "a" in [Action::"group"] appliesTo {principal: Agent, resource: Service, context: {n: Long}};'
    'action "group";'
)
NOBODY = Entities([], SCHEMA)
QUESTION = Question(("Agent", "x"), ("Action", "a"), ("Service", "s"))
PERMIT = "permit (principal, action, resource);"


def answer(*statements: str, context: str = '{"n": 1}') -> Answer:
    policies = {f"p{number}": parse(statement) for number, statement in enumerate(statements)}
    return PolicySet(policies).ask(QUESTION.under(context), NOBODY)


def test_a_permit_without_errors_allows() -> None:
    """And names the policy that did."""
    assert answer(PERMIT) == Answer(allowed=True, matched=("p0",))


def test_a_forbid_outweighs_a_permit() -> None:
    """Only the forbid is named."""
    assert answer(PERMIT, "forbid (principal, action, resource);") == Answer(allowed=False, matched=("p1",))


def test_no_policy_allows_nothing() -> None:
    """Neither an empty set nor one whose policies do not match."""
    assert answer() == Answer(allowed=False)
    assert answer('permit (principal == Agent::"y", action, resource);') == Answer(allowed=False)


@pytest.mark.parametrize("effect", ["permit", "forbid"])
def test_an_error_is_never_an_allow(effect: str) -> None:
    """Cedar skips a policy that errs, and would answer Allow by the other one."""
    said = answer(PERMIT, f"{effect} (principal, action, resource) when {{ context.missing > 1 }};")
    assert not said.allowed
    assert "p1" in said.errors[0]


@pytest.mark.parametrize("context", ["{bad", "[]", '{"n": 1.5}', '{"n": null}'])
def test_a_request_that_cannot_be_built_is_an_error(context: str) -> None:
    """Cedar then answers NoDecision, which is a no, with errors."""
    said = answer(PERMIT, context=context)
    assert (said.allowed, said.matched, bool(said.errors)) == (False, (), True)


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"decision": "Allow"},
        {"decision": "Allow", "diagnostics": {"reason": [], "errors": []}},
        {"decision": "Allow", "diagnostics": {"reason": ["p"]}},
        {"decision": "Allow", "diagnostics": {"reason": ["p"], "errors": ["x"]}},
        {"decision": "NoDecision", "diagnostics": {"reason": ["p"], "errors": []}},
        {"decision": "allow", "diagnostics": {"reason": ["p"], "errors": []}},
    ],
)
def test_only_a_complete_allow_allows(shape: dict) -> None:
    """Any other shape of answer is a no."""
    assert not _read(shape).allowed


def test_groups_of_actions_are_known_to_the_entities() -> None:
    """`action in Action::"group"` matches the members, because the schema's actions become entities."""
    assert answer('permit (principal, action in Action::"group", resource);').allowed


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("permit (principal, action);", "missing the `resource`"),
        ("permit (principal == ?principal, action, resource);", "templates"),
        ("", "exactly one"),
        (PERMIT + PERMIT, "exactly one"),
        (PERMIT + ";", "unexpected"),
    ],
)
def test_anything_but_one_policy_is_an_error(statement: str, why: str) -> None:
    """Text that is no policy, several, none, or a template."""
    with pytest.raises(CedarError, match=why):
        parse(statement)


def test_the_validator_names_the_position() -> None:
    """Mistakes come with the position of the policy, however many are sound."""
    wrong = 'forbid (principal, action == Action::"a", resource) when { context.m > 1 };'
    ((position, text),) = SCHEMA.mistakes([PERMIT, PERMIT, wrong])
    assert position == 2
    assert text == 'attribute `m` in context for Action::"a" not found'
    assert SCHEMA.mistakes([]) == []
    with pytest.raises(CedarError, match="no policy's"):
        SCHEMA.mistakes(["permit ("])


def test_what_is_no_schema_is_an_error() -> None:
    """So are entities that do not fit one."""
    with pytest.raises(CedarError):
        Schema("entity")
    with pytest.raises(CedarError):
        Entities([{"uid": {"type": "Nobody", "id": "x"}, "attrs": {}, "parents": []}], SCHEMA)


@pytest.mark.parametrize("terms", [60, 300, 2_000])
def test_a_policy_too_deep_to_be_asked_is_found_when_it_is_read(terms: int) -> None:
    """Cedar reads it as text and not as JSON: better a mistake at the start than an error on every call."""
    conditions = " && ".join(f'context.host != "h{number}"' for number in range(terms))
    with pytest.raises(CedarError, match="nested too deeply"):
        parse(f"permit (principal, action, resource) when {{ {conditions} }};")


def test_forty_conditions_are_not_too_many() -> None:
    """As the message says."""
    conditions = " || ".join(f'context.host == "h{number}"' for number in range(40))
    policy = parse(f"permit (principal, action, resource) when {{ {conditions} }};")
    assert not PolicySet({"p": policy}).ask(QUESTION.under('{"host": "x"}'), NOBODY).errors
