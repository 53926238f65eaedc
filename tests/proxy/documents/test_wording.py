"""The validator's findings in words for people."""

from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from proxy.documents import read_tree, validate
from proxy.documents.wording import nearest
from proxy.errors import Mistake


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    path: str = Field(default="/", min_length=1)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    enabled: bool = True
    count: Annotated[int, Field(ge=1, le=9)] = 1
    ratio: float = 1.0
    due: date = date(2026, 1, 1)
    effect: Literal["read", "write"] = "read"
    labels: tuple[str, ...] = ()
    route: Inner | None = None
    routes: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("id: 12", "f.yaml:1: id: must be text; put the value in quotes"),
        ("id: true", "f.yaml:1: id: must be text; put the value in quotes"),
        ("id: [a]", "f.yaml:1: id: must be text, not a list"),
        ("id: {a: b}", "f.yaml:1: id: must be text, not a group of fields"),
        ("id:", "f.yaml:1: id: is empty; write a value, or remove the line"),
        ("count: 2", "f.yaml:1: id: is missing; add it"),
        ("id: a\nenabled: off", "f.yaml:2: enabled: must be `true` or `false`"),
        ("id: a\nenabled: 1", "f.yaml:2: enabled: must be `true` or `false`"),
        ("id: a\ncount: '3'", "f.yaml:2: count: must be a whole number"),
        ("id: a\ncount: 0", "f.yaml:2: count: must be at least 1"),
        ("id: a\ncount: 10", "f.yaml:2: count: must be at most 9"),
        ("id: a\nratio: x", "f.yaml:2: ratio: must be a number"),
        ("id: a\ndue: tomorrow",
         "f.yaml:2: due: is not a date; write it as YYYY-MM-DD, for example 2027-01-31"),
        ("id: a\ndue: 2026", "f.yaml:2: due: is not a date; write it as YYYY-MM-DD, for example 2027-01-31"),
        ("id: a\ndue: 2026-02-30", "f.yaml:2: due: is not a date; write it as YYYY-MM-DD, for example 2027-01-31"),
        ("id: a\neffect: wirte", "f.yaml:2: effect: `wirte` is not one of `read`, `write`; did you mean `write`?"),
        ("id: a\neffect: 3", "f.yaml:2: effect: must be one of `read`, `write`"),
        ("id: a\nlabels: x", "f.yaml:2: labels: must be a list: one item a line, each after `- `"),
        ("id: a\nlabels:\n  - x\n  - 3", "f.yaml:4: labels[1]: must be text; put the value in quotes"),
        ("id: a\nroute: /x", "f.yaml:2: route: must be a group of `name: value` lines"),
        ("id: a\nroute:\n  path: ''", "f.yaml:3: route.path: must have at least 1 character(s)"),
        ("id: a\nlabel: x", "f.yaml:2: label: is not a field here; did you mean `labels`?"),
        ("id: a\nroutes:\n  - pth: /", "f.yaml:3: routes[0].pth: is not a field here; did you mean `path`?"),
        ("id: a\nroute:\n  zzz: 1", "f.yaml:3: route.zzz: is not a field here; known are `path`"),
    ],
)  # fmt: skip
def test_each_finding_says_what_is_wrong_and_what_to_do(line, expected):
    """The exact line that a person sees for each kind of finding."""
    mistakes = []
    assert validate(read_tree(line.encode(), "f.yaml", mistakes), Outer, mistakes) is None
    assert [str(mistake) for mistake in mistakes] == [expected]


def test_nearest_names_a_close_word_or_the_short_list_or_nothing():
    """A close word is proposed, a short list is shown, a long one is not."""
    assert nearest("onwer", ["owner", "team"]) == "; did you mean `owner`?"
    assert nearest("x", ["owner", "team"]) == "; known are `owner`, `team`"
    assert nearest("x", [f"name-{n}" for n in range(30)]) == ""
    assert nearest("x", []) == ""


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["dog"] = "dog"
    tricks: tuple[Inner, ...] = ()


class Shelter(BaseModel):
    pets: tuple[
        Annotated[
            Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")],
            Discriminator(lambda given: str(given.get("kind", "cat")) if isinstance(given, dict) else ""),
        ],
        ...,
    ]


@pytest.mark.parametrize(
    ("pet", "expected"),
    [
        ("{kind: cow}", "f.yaml:2: pets[0].kind: `cow` is not one of `cat`, `dog`"),
        ("{kind: dug}", "f.yaml:2: pets[0].kind: `dug` is not one of `cat`, `dog`; did you mean `dog`?"),
        ("{kind: [dog]}", "f.yaml:2: pets[0].kind: must be one of `cat`, `dog`"),
        ("{kind: }", "f.yaml:2: pets[0].kind: must be one of `cat`, `dog`"),
        ("dog", "f.yaml:2: pets[0]: must be a group of `name: value` lines"),
        ("{}", "f.yaml:2: pets[0].lives: is missing; add it"),
        ("{lives: nine}", "f.yaml:2: pets[0].lives: must be a whole number"),
        ("{lives: 9, live: 1}", "f.yaml:2: pets[0].live: is not a field here; did you mean `lives`?"),
        ("{kind: dog, trick: 1}", "f.yaml:2: pets[0].trick: is not a field here; did you mean `tricks`?"),
        ("{kind: dog, tricks: [{pat: /}]}",
         "f.yaml:2: pets[0].tricks[0].pat: is not a field here; did you mean `path`?"),
    ],
)  # fmt: skip
def test_one_of_several_kinds_is_told_by_its_kind(pet, expected):
    """The place is the one that was written; the fields that are known are those of the kind that was meant."""
    mistakes: list[Mistake] = []
    document = read_tree(f"pets:\n  - {pet}\n".encode(), "f.yaml", mistakes)
    assert document is not None
    assert validate(document, Shelter, mistakes) is None
    assert [str(mistake) for mistake in mistakes] == [expected]
