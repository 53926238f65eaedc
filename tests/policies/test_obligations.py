"""Annotations: what they ask for, and every way to get them wrong."""

from dataclasses import replace
from itertools import permutations

import pytest

from policies.model import Catalogue, Clause, Mode, PersonFacts, Requirement
from policies.obligations import Obligations, merge, read_obligations

CATALOGUE = Catalogue(
    "v",
    people=(
        PersonFacts("alice", ("security",)),
        PersonFacts("bob", ("security",)),
        PersonFacts("gone", ("security",), active=False),
    ),
    teams=("security", "empty"),
)


def read(effect: str = "forbid", **annotations: str | None) -> tuple[Obligations, list[tuple[str, str]]]:
    return read_obligations(annotations, effect, CATALOGUE)


def test_no_annotations_ask_for_nothing() -> None:
    """A plain policy has no id, no mode, no hold."""
    assert read() == (Obligations(), [])


def test_a_hold_has_defaults() -> None:
    """One person, a quarter of an hour to decide, ten minutes to use it."""
    asked, wrong = read(hold="owner")
    assert wrong == []
    assert asked.hold == Requirement((Clause(("owner",), 1),), 900, 600)


def test_a_hold_says_who_how_many_how_long_and_why() -> None:
    """A comma means any of these; @quorum, how many of them; @role, somebody else as well."""
    asked, wrong = read(
        id="large",
        hold="owner, deputy",
        quorum="2",
        role="team:security,person:alice",
        expires="1h",
        use_within="90s",
        reason="large",
        rollback="cancel it",
    )
    assert wrong == []
    assert asked.id == "large"
    assert asked.hold == Requirement(
        (Clause(("owner", "deputy"), 2), Clause(("team:security", "person:alice"), 1)),
        3600,
        90,
        reasons=("large",),
        rollback="cancel it",
    )


@pytest.mark.parametrize(
    ("effect", "annotations", "field", "text"),
    [
        ("permit", {"hold": "owner"}, "@hold", "only a `forbid` can hold"),
        ("forbid", {"hold": None}, "@hold", "needs a value"),
        ("forbid", {"hold": " "}, "@hold", "needs a value"),
        ("forbid", {"hold": "ownr"}, "@hold", "`ownr` is not a role; did you mean `owner`?"),
        ("forbid", {"hold": "owner,"}, "@hold", "`` is not a role"),
        ("forbid", {"hold": "team:securty"}, "@hold", "no team `securty`; did you mean `team:security`?"),
        ("forbid", {"hold": "person:alise"}, "@hold", "no person `alise`; did you mean `person:alice`?"),
        ("forbid", {"hold": "group:x"}, "@hold", "no group `x`"),
        ("forbid", {"hold": "owner", "role": "boss"}, "@role", "`boss` is not a role"),
        ("forbid", {"hold": "boss:alice"}, "@hold", "the inventory has no boss `alice`"),
        ("forbid", {"hold": "team"}, "@hold", "`team` is not a role"),
        ("forbid", {"hold": "owner", "quorum": "0"}, "@quorum", "`0` is not a number of people"),
        ("forbid", {"hold": "owner", "quorum": "1" * 5000}, "@quorum", "is not a number of people"),
        ("forbid", {"hold": "owner", "quorum": "two"}, "@quorum", "`two` is not a number of people"),
        ("forbid", {"hold": "owner", "quorum": "21"}, "@quorum", "`21` is not a number of people"),
        ("forbid", {"hold": "owner", "quorum": "²"}, "@quorum", "`²` is not a number of people"),
        ("forbid", {"hold": "owner", "expires": "15"}, "@expires", "`15` is not a time"),
        ("forbid", {"hold": "owner", "expires": "0m"}, "@expires", "`0m` is not a time"),
        ("forbid", {"hold": "owner", "expires": "8d"}, "@expires", "at most 168 hours"),
        ("forbid", {"hold": "owner", "use_within": "5h"}, "@use_within", "at most 4 hours"),
        ("forbid", {"hold": "owner", "rollback": ""}, "@rollback", "needs a value"),
        ("forbid", {"hold": "team:empty"}, "@hold", "needs 1 people of team:empty, but the inventory has 0 active"),
        ("forbid", {"hold": "person:gone"}, "@hold", "has 0 active"),
        (
            "forbid",
            {"hold": "team:security", "quorum": "3"},
            "@hold",
            "needs 3 people of team:security, but the inventory has 2",
        ),
        ("forbid", {"quorum": "2"}, "@quorum", "means nothing without @hold"),
        ("forbid", {"expires": "2m"}, "@expires", "means nothing without @hold"),
        ("permit", {"mode": "observed"}, "@mode", "`observed` is not a mode"),
        ("permit", {"id": ""}, "@id", "needs a value"),
        ("permit", {"qourum": "2"}, "@qourum", "did you mean `quorum`?"),
        ("permit", {"advice": "x"}, "@advice", "is not an annotation; use id, mode"),
    ],
)
def test_a_bad_annotation_is_a_mistake(effect: str, annotations: dict, field: str, text: str) -> None:
    """None is ignored: an annotation that means nothing would be a sign-off forgotten."""
    (mistake,) = read(effect, **annotations)[1]
    assert mistake[0] == field
    assert text in mistake[1]


def test_a_rule_may_be_observed() -> None:
    """The mode is the rule's own."""
    assert read(mode="observe")[0].mode is Mode.OBSERVE
    assert read(mode="enforce")[0].mode is Mode.ENFORCE


def test_holds_together_need_everything_that_each_needs() -> None:
    """Every clause, the larger count for the same roles, the shorter times, each reason once."""
    first = Requirement((Clause(("owner",), 1), Clause(("a", "b"), 1)), 900, 600, ("x",), ("r1",), "undo x")
    second = Requirement((Clause(("b", "a"), 2), Clause(("team:s",), 1)), 1200, 60, ("y", "x"), ("r2",))
    assert merge([first, second]) == Requirement(
        (Clause(("owner",), 1), Clause(("b", "a"), 2), Clause(("team:s",), 1)),
        900,
        60,
        ("x", "y"),
        ("r1", "r2"),
        "undo x",
    )
    assert merge([first, first]) == first


def test_the_order_of_holds_asks_nobody_less() -> None:
    """Whichever rule is met first: the strictest number of people, and the shorter times."""
    one, two, other = Clause(("owner",), 1), Clause(("owner",), 2), Clause(("team:s",), 1)
    holds = [Requirement((one,), 900, 600), Requirement((two, other), 60, 600), Requirement((one,), 900, 10)]
    for order in permutations(holds):
        merged = merge(order)
        assert set(merged.clauses) == {two, other}
        assert (merged.decide_within, merged.use_within) == (60, 10)


@pytest.mark.parametrize(
    ("roles", "wrong"),
    [
        ("team:security", False),
        ("person:alice", False),
        ("person:left", False),
        ("person:gone", True),
        ("team:empty", True),
        ("team:empty,person:alice", False),
        ("team:empty,owner", False),
        ("team:empty,person:gone", True),
    ],
)
def test_a_sign_off_that_nobody_can_give_is_a_mistake(roles: str, wrong: bool) -> None:
    """One of several who can is enough; who left since counts, as one of a team among others does; `owner` may be."""
    people = (*CATALOGUE.people, PersonFacts("left", ("other", "security"), active=False, left=True))
    catalogue = replace(CATALOGUE, people=people, teams=("security", "empty", "other"))
    assert bool(read_obligations({"hold": roles}, "forbid", catalogue)[1]) is wrong
    assert not read_obligations({"hold": "team:other"}, "forbid", catalogue)[1]
    assert not read_obligations({"hold": "team:security", "quorum": "3"}, "forbid", catalogue)[1]
