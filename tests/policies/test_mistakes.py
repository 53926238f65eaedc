"""What a person reads when a policy is wrong."""

import pytest

from policies.mistakes import PolicyMistake, PolicyMistakes, nearest


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        (PolicyMistake("a.cedar", 3, "@hold", "is wrong"), "a.cedar:3: @hold: is wrong"),
        (PolicyMistake("a.cedar", 3, "", "is wrong"), "a.cedar:3: is wrong"),
        (PolicyMistake("a.cedar", 0, "", "is wrong"), "a.cedar: is wrong"),
    ],
)
def test_a_mistake_prints_its_place_first(mistake: PolicyMistake, text: str) -> None:
    """`file:line: field: text`, without the parts that are not known."""
    assert str(mistake) == text


def test_mistakes_are_told_in_reading_order() -> None:
    """All mistakes are carried, sorted by file and line, one a line."""
    raised = PolicyMistakes(
        [PolicyMistake("b", 1, "", "x"), PolicyMistake("a", 9, "", "y"), PolicyMistake("a", 2, "", "z")]
    )
    assert str(raised) == "a:2: z\na:9: y\nb:1: x"


def test_a_near_name_is_suggested() -> None:
    """The closest known name is offered; without a close one, the advice."""
    assert nearest("suport", ["support", "security"], "add it") == "did you mean `support`?"
    assert nearest("zebra", ["support"], "add it") == "add it"
