"""The part of JSON Schema that policies can talk about, as types: from a tool's schema, and into Cedar.

A value fits its shape exactly or not at all. Cedar skips a `forbid` that meets a value of the wrong type, and the
agent chooses the types: so a call whose arguments do not fit is denied before any policy is asked.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from policies.model import Json

_LONG = 1 << 63
_LONGEST_PATH = 200
_DECIMAL_PLACES = 4
_DECIMAL_STEP = Decimal(1).scaleb(-_DECIMAL_PLACES)
_DECIMAL_LIMIT = _LONG * _DECIMAL_STEP


class DoesNotFit(Exception):
    """An argument is not what the tool's schema says. The text names it and what it must be."""

    def __init__(self, path: str, text: str) -> None:
        shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}..."  # a caller may have named it
        super().__init__(f"`{shown}` {text}")


class Shape(Protocol):
    """What a value must be. `check` and `to_cedar` return, or raise `DoesNotFit`."""

    @property
    def cedar_type(self) -> str | None:
        """The type in Cedar's schema language; None for what policies cannot name."""

    def check(self, value: Json, path: str) -> None:
        """Nothing, if the value fits."""

    def to_cedar(self, value: Json, path: str) -> Json:
        """A value that fits, in Cedar's JSON form; `DoesNotFit` if Cedar's type cannot hold it exactly."""


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that the schema does not type in a way that Cedar knows: accepted, and hidden from policies."""

    cedar_type: str | None = None

    def check(self, value: Json, path: str) -> None:
        pass

    def to_cedar(self, value: Json, path: str) -> Json:
        raise DoesNotFit(path, f"has no type that policies know, and is a {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Text:
    """A string, perhaps out of a few."""

    choices: frozenset[str] | None = None
    cedar_type: str = "String"

    def check(self, value: Json, path: str) -> None:
        if not isinstance(value, str):
            raise DoesNotFit(path, "must be a string")
        if self.choices is not None and value not in self.choices:
            raise DoesNotFit(path, f"must be one of {', '.join(sorted(self.choices))}")

    def to_cedar(self, value: Json, path: str) -> Json:
        self.check(value, path)
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer, written as one: `5.0` and `"5"` are not. Cedar's `Long` has 64 bits."""

    cedar_type: str = "Long"

    def check(self, value: Json, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise DoesNotFit(path, "must be an integer")

    def to_cedar(self, value: Json, path: str) -> Json:
        if not isinstance(value, int) or not -_LONG <= value < _LONG:
            raise DoesNotFit(path, "must be an integer of 64 bits")
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number. Cedar's `decimal` has four places, and is compared as `x.lessThan(decimal("100.0"))`."""

    cedar_type: str = "__cedar::decimal"

    def check(self, value: Json, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise DoesNotFit(path, "must be a number")

    def to_cedar(self, value: Json, path: str) -> Json:
        """The number itself: rounding could carry it over somebody's limit."""
        exact = Decimal(repr(value))
        if abs(exact) >= _DECIMAL_LIMIT or exact != exact.quantize(_DECIMAL_STEP):
            raise DoesNotFit(path, f"must have at most {_DECIMAL_PLACES} decimals and be below {_DECIMAL_LIMIT:.0f}")
        return {"__extn": {"fn": "decimal", "arg": f"{exact:.{_DECIMAL_PLACES}f}"}}


@dataclass(frozen=True, slots=True)
class Truth:
    """A boolean."""

    cedar_type: str = "Bool"

    def check(self, value: Json, path: str) -> None:
        if not isinstance(value, bool):
            raise DoesNotFit(path, "must be true or false")

    def to_cedar(self, value: Json, path: str) -> Json:
        self.check(value, path)
        return value


@dataclass(frozen=True, slots=True)
class Many:
    """An array. Cedar's `Set` knows neither order nor repetition."""

    item: Shape

    @property
    def cedar_type(self) -> str | None:
        item = self.item.cedar_type
        return None if item is None else f"Set<{item}>"

    def check(self, value: Json, path: str) -> None:
        if not isinstance(value, list):
            raise DoesNotFit(path, "must be an array")
        for position, item in enumerate(value):
            self.item.check(item, f"{path}[{position}]")

    def to_cedar(self, value: Json, path: str) -> Json:
        items = value if isinstance(value, list) else []
        return [self.item.to_cedar(item, f"{path}[{position}]") for position, item in enumerate(items)]


@dataclass(frozen=True, slots=True)
class Member:
    """One property of an object."""

    shape: Shape
    required: bool = False
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """An object. Unless `open`, a property that it does not name does not fit."""

    members: Mapping[str, Member] = field(default_factory=dict)
    open: bool = False
    visible: frozenset[str] = field(init=False)
    """The properties that policies can name."""

    def __post_init__(self) -> None:
        visible = frozenset(name for name, member in self.members.items() if member.shape.cedar_type is not None)
        object.__setattr__(self, "visible", visible)

    @property
    def cedar_type(self) -> str:
        attributes = []
        for name, member in self.members.items():
            if name in self.visible:
                optional = "" if member.required and not member.nullable else "?"
                attributes.append(f"{quoted(name)}{optional}: {member.shape.cedar_type}")
        return "{" + ", ".join(attributes) + "}"

    def check(self, value: Json, path: str) -> None:
        if not isinstance(value, dict):
            raise DoesNotFit(path, "must be an object")
        self.check_members(value, f"{path}.")

    def check_members(self, values: Mapping[str, Json], prefix: str = "") -> None:
        """Nothing, if each property fits, none required is missing, and none is unknown."""
        for name, value in values.items():
            member = self.members.get(name)
            if member is None:
                if not self.open:
                    raise DoesNotFit(f"{prefix}{name}", "is not an argument of this tool")
            elif value is not None or not member.nullable:
                member.shape.check(value, f"{prefix}{name}")
        for name, member in self.members.items():
            if member.required and name not in values:
                raise DoesNotFit(f"{prefix}{name}", "is missing")

    def to_cedar(self, value: Json, path: str) -> Json:
        return self.members_to_cedar(value if isinstance(value, dict) else {}, f"{path}.")

    def members_to_cedar(
        self, values: Mapping[str, Json], prefix: str = "", only: frozenset[str] | None = None
    ) -> dict[str, Json]:
        """The properties that policies can name (of those in `only`, if given). Null is absence."""
        return {
            name: self.members[name].shape.to_cedar(value, f"{prefix}{name}")
            for name, value in values.items()
            if value is not None and name in self.visible and (only is None or name in only)
        }


def quoted(text: str) -> str:
    """The text as a Cedar string literal, whatever it contains."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in {'"', "\\"}:
        return f"\\{character}"
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"
