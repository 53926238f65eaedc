"""Arguments fit their schema exactly, or the call is denied before any policy is asked."""

import pytest

from policies.model import Json
from policies.shapes import Anything, DoesNotFit, Many, Member, Number, Record, Shape, Text, Truth, Whole, quoted

LINE = Record({"sku": Member(Text(), required=True), "count": Member(Whole(), nullable=True)})


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (Text(), ""),
        (Text(frozenset({"a"})), "a"),
        (Whole(), -5),
        (Number(), 5),
        (Number(), 19.99),
        (Truth(), False),
        (Many(Text()), []),
        (Many(Whole()), [1, 1, 2]),
        (LINE, {"sku": "x"}),
        (LINE, {"sku": "x", "count": None}),
        (Record({}, open=True), {"any": "thing"}),
        (Anything(), {"any": ["thing", None]}),
    ],
)
def test_a_value_of_the_type_fits(shape: Shape, value: Json) -> None:
    """Exactly the declared type, in depth."""
    shape.check(value, "x")


@pytest.mark.parametrize(
    ("shape", "value", "text"),
    [
        (Text(), 5, "`x` must be a string"),
        (Text(), None, "`x` must be a string"),
        (Text(frozenset({"b", "a"})), "c", "`x` must be one of a, b"),
        (Whole(), "5", "`x` must be an integer"),
        (Whole(), 5.0, "`x` must be an integer"),
        (Whole(), True, "`x` must be an integer"),
        (Number(), "5", "`x` must be a number"),
        (Number(), True, "`x` must be a number"),
        (Number(), float("nan"), "`x` must be a number"),
        (Number(), float("inf"), "`x` must be a number"),
        (Truth(), 1, "`x` must be true or false"),
        (Truth(), "true", "`x` must be true or false"),
        (Many(Text()), "ab", "`x` must be an array"),
        (Many(Text()), ["a", 1], "`x[1]` must be a string"),
        (LINE, [], "`x` must be an object"),
        (LINE, {}, "`x.sku` is missing"),
        (LINE, {"sku": "a", "count": "1"}, "`x.count` must be an integer"),
        (LINE, {"sku": "a", "Count": 1}, "`x.Count` is not an argument of this tool"),
        (Many(LINE), [{"sku": "a"}, {"sku": None}], "`x[1].sku` must be a string"),
    ],
)
def test_a_value_of_another_type_does_not(shape: Shape, value: Json, text: str) -> None:
    """No coercion: the agent chooses the types, and Cedar would skip a forbid that meets a wrong one."""
    with pytest.raises(DoesNotFit) as caught:
        shape.check(value, "x")
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5.0000"), (-0.5, "-0.5000"), (19.99, "19.9900"), (1e3, "1000.0000"), (100.0001, "100.0001")],
)
def test_a_number_becomes_the_same_decimal(value: float, text: str) -> None:
    """Not a rounded one."""
    assert Number().to_cedar(value, "x") == {"__extn": {"fn": "decimal", "arg": text}}


@pytest.mark.parametrize("value", [100.00001, 1e-9, 1e15, -1e15, 10**30])
def test_a_number_beyond_decimal_is_refused_not_rounded(value: float) -> None:
    """Rounding could carry it over somebody's limit."""
    with pytest.raises(DoesNotFit, match="at most 4 decimals"):
        Number().to_cedar(value, "x")


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_integer_beyond_long_is_refused(value: int) -> None:
    """Cedar's integers have 64 bits."""
    assert Whole().to_cedar(2**63 - 1, "x") == 2**63 - 1
    with pytest.raises(DoesNotFit, match="64 bits"):
        Whole().to_cedar(value, "x")


def test_only_what_policies_can_name_is_passed_on() -> None:
    """Null is absence; the untyped, and what is not wanted, stay out."""
    shape = Record(
        {"a": Member(Whole()), "b": Member(Anything()), "c": Member(Text(), nullable=True), "d": Member(LINE)}
    )
    given: dict[str, Json] = {"a": 1, "b": {}, "c": None, "d": {"sku": "x", "count": None}}
    assert shape.members_to_cedar(given) == {"a": 1, "d": {"sku": "x"}}
    assert shape.members_to_cedar(given, only=frozenset({"d"})) == {"d": {"sku": "x"}}


def test_an_unwanted_number_need_not_be_exact() -> None:
    """A latitude with six decimals passes as long as no policy reads it."""
    shape = Record({"latitude": Member(Number(), required=True)})
    shape.check_members({"latitude": 52.520008})
    assert shape.members_to_cedar({"latitude": 52.520008}, only=frozenset()) == {}


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (Anything(), None),
        (Number(), "__cedar::decimal"),
        (Many(Many(Truth())), "Set<Set<Bool>>"),
        (Many(Anything()), None),
        (LINE, '{"sku": String, "count"?: Long}'),
        (Record({"a": Member(Whole(), required=True, nullable=True), "b": Member(Anything())}), '{"a"?: Long}'),
    ],
)
def test_a_shape_has_a_cedar_type(shape: Shape, text: str | None) -> None:
    """What may be null is optional; what is untyped is not there."""
    assert shape.cedar_type == text


def test_a_name_is_quoted_whatever_it_contains() -> None:
    """Quotes, backslashes and control characters cannot end the literal."""
    assert quoted('a"b\\c\n\u2028é') == '"a\\"b\\\\c\\u{a}\\u{2028}é"'


def test_nothing_untyped_is_ever_converted() -> None:
    """A bug that tries to is a refusal."""
    with pytest.raises(DoesNotFit):
        Anything().to_cedar({}, "x")
