"""Reading the policies of a bundle into rules."""

import pytest

from policies.bundle import Bundle
from policies.model import Catalogue
from policies.obligations import KNOWN
from policies.rules import Rule, read_rules

HOLD = '@hold("owner") forbid (principal, action, resource);'
PERMIT = "permit (principal, action, resource);"


def read(**sources: str) -> list[Rule]:
    rules, mistakes = read_rules(
        Bundle({f"{name.replace('__', '/')}.cedar": text for name, text in sources.items()}), Catalogue("v")
    )
    assert mistakes == []
    return rules


def test_a_rule_knows_its_place() -> None:
    """File, line, effect and id; without @id, the place is the id."""
    first, second = read(b=f'\n@id("x") forbid (principal, action, resource);\n\n{PERMIT}')
    assert (first.id, first.file, first.line, first.effect, first.observed) == ("x", "b.cedar", 2, "forbid", False)
    assert (second.id, second.line, second.effect) == ("b.cedar:4", 4, "permit")
    assert first.name != second.name


def test_rules_without_ids_never_collide() -> None:
    """Two on one line are two rules."""
    assert len(read(a=PERMIT + PERMIT)) == 2


@pytest.mark.parametrize(
    ("file", "mode", "observed"),
    [
        ("a", "", False),
        ("a", '@mode("observe")', True),
        ("observe__a", "", True),
        ("observe__a", '@mode("enforce")', False),
    ],
)
def test_a_rule_is_observed_by_its_folder_or_its_own_mode(file: str, mode: str, observed: bool) -> None:
    """The rule's own mode goes before the folder's."""
    assert read(**{file: f"{mode} {PERMIT}"})[0].observed is observed


def test_a_hold_carries_the_rule_that_asked() -> None:
    """So that people see which rule it was, with or without @id."""
    named, unnamed = read(a=f'@id("x") {HOLD}\n{HOLD}')
    assert named.hold is not None
    assert unnamed.hold is not None
    assert (named.hold.rules, unnamed.hold.rules) == (("x",), ("a.cedar:2",))


def test_every_mistake_is_found_with_its_line() -> None:
    """In the policy that cannot be read, in annotations, in ids that are used twice."""
    annotated = f'@hold("owner")\n@id("x")\n{PERMIT}\n@wrong("x") {PERMIT}'
    text = f'@id("x")\n{PERMIT}\npermit (principal, action);\n{annotated}\npermit'
    _, mistakes = read_rules(Bundle({"a.cedar": text}, "p"), Catalogue("v"))
    assert [str(mistake) for mistake in mistakes] == [
        "p/a.cedar:3: this policy cannot be read: this policy is missing the `resource` variable in the scope",
        "p/a.cedar:4: @hold: only a `forbid` can hold: write what must not happen unsigned as a `forbid`",
        "p/a.cedar:5: @id: `x` is already the id of the policy at p/a.cedar:1; ids are unique",
        f"p/a.cedar:7: @wrong: is not an annotation; use {', '.join(KNOWN)}",
        "p/a.cedar:8: this policy cannot be read: unexpected end of input",
    ]
