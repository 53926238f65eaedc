"""How much a task may do: calls, and amounts that calls name in an argument. Counted in millionths, never in floats."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from policies.model import Json
from proxy.tasks.bounds import names_tool
from proxy.tasks.mistakes import TaskMistake

UNIT = 1_000_000
MOST = 10**12  # of anything: far below what 64 bits can count in millionths
CALLS = "calls"
_PLAIN = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True)
class Spend:
    """At most `limit` millionths, summed over the argument at this dotted path of this `service/tool`."""

    tool: str
    argument: str
    limit: int

    @property
    def name(self) -> str:
        return f"{self.tool}:{self.argument}"


@dataclass(frozen=True, slots=True)
class Budget:
    """No `calls` means any number of calls. A tool without a `Spend` may name any amount."""

    calls: int | None = None
    spend: tuple[Spend, ...] = ()

    def limits(self) -> dict[str, int]:
        """What is counted, by name, and how far it may go."""
        found = {one.name: one.limit for one in self.spend}
        return found if self.calls is None else {CALLS: self.calls, **found}

    def require_sound(self, tools: Collection[str]) -> None:
        """Raises for limits that cannot be counted, that are named twice, or of what is none of these tools."""
        if self.calls is not None and not 0 <= self.calls <= MOST:
            raise TaskMistake("budget_invalid", f"`calls` is a whole number from 0 to {MOST}")
        for one in self.spend:
            if not names_tool(one.tool, tools):  # it would limit nothing, and nobody would notice
                text = (
                    f"`{one.tool}` is not one tool of the task: limit what a `service/tool` that it declares may spend"
                )
                raise TaskMistake("budget_invalid", text)
            if not 0 <= one.limit <= MOST * UNIT:
                raise TaskMistake("budget_invalid", f"the limit of `{one.name}` is from 0 to {MOST}")
            if not all(one.argument.split(".")):
                raise TaskMistake("budget_invalid", f"`{one.argument}` is not the dotted path of an argument")
        if len({one.name for one in self.spend}) != len(self.spend):
            raise TaskMistake("budget_invalid", "an argument has two limits; keep one")

    def require_within(self, outer: "Budget") -> None:
        """Raises if this promises more than `outer`, of which all that is counted here is counted too."""
        if outer.calls is not None and self.calls is not None and self.calls > outer.calls:
            raise TaskMistake("widens_budget", f"the parent task has a budget of {outer.calls} calls in all")
        most = {one.name: one.limit for one in outer.spend}
        for one in self.spend:
            if one.limit > most.get(one.name, one.limit):
                least = most[one.name] / UNIT
                raise TaskMistake("widens_budget", f"the parent task may spend {least:g} by `{one.name}` in all")

    def under(self, outer: "Budget") -> "Budget":
        """This, with what `outer` limits and this says nothing of: else a part of the part could promise more."""
        said = {one.name for one in self.spend}
        return Budget(
            outer.calls if self.calls is None else self.calls,
            (*self.spend, *(one for one in outer.spend if one.name not in said)),
        )

    def costs(self, tool: str | None, arguments: Mapping[str, Json]) -> Iterator[tuple[str, int]]:
        """What one call of this `service/tool` costs, by name; `ValueError` if it names no amount where it must."""
        if self.calls is not None:
            yield CALLS, 1
        for one in self.spend:
            if one.tool == tool:
                yield one.name, amount_at(arguments, one.argument)


@dataclass(frozen=True, slots=True)
class Charge:
    """Part of a call's cost: so much of what this task counts under this name."""

    task: str
    name: str
    amount: int


def amount_at(arguments: Mapping[str, Json], path: str) -> int:
    """The amount at this path, in millionths, rounded up. Raises unless it is one number that is not negative."""
    value: Json = dict(arguments)
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return millionths(value)


def millionths(value: Json) -> int:
    """A number, or digits as text, in millionths, rounded up; `ValueError` for anything that is no plain amount."""
    match value:
        case bool():
            amount = None
        case int() | float():
            amount = Decimal(value if isinstance(value, int) else repr(value))
        case str() if _PLAIN.fullmatch(value):  # what one reader takes for a number, another may not
            amount = Decimal(value)
        case _:
            amount = None
    if amount is None or not amount.is_finite() or not 0 <= amount <= MOST:
        raise ValueError("not an amount that can be counted")
    return int((amount * UNIT).to_integral_value(ROUND_CEILING))
