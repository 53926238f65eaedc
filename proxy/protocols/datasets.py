"""Which datasets a call touches, by the selectors of the inventory."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from policies.model import Access, DatasetUse, Json
from proxy.facts import Dataset, Selector

_WILDCARDS = re.compile(r"(\*\*|\*|\{[^{}/]+\})")


@dataclass(frozen=True, slots=True)
class CompiledSelector:
    """One way to recognise a dataset. Every condition that is given must hold."""

    use: DatasetUse
    tools: frozenset[str]
    paths: tuple[re.Pattern[str], ...]
    arguments: tuple[tuple[tuple[str, ...], tuple[Json, ...]], ...]

    def fits(self, tool: str | None, path: str, arguments: Mapping[str, Json]) -> bool:
        if self.tools and tool not in self.tools:
            return False
        if self.paths and not any(pattern.fullmatch(path) for pattern in self.paths):
            return False
        return all(
            any(_same(value, wanted) for value in _values(arguments, place) for wanted in values)
            for place, values in self.arguments
        )


def compile_selectors(datasets: Iterable[Dataset]) -> dict[str, tuple[CompiledSelector, ...]]:
    """The selectors of each service, by its id."""
    found: dict[str, list[CompiledSelector]] = {}
    for dataset in datasets:
        for selector in dataset.selectors:
            found.setdefault(selector.service, []).append(_compiled(dataset.id, selector))
    return {service: tuple(selectors) for service, selectors in found.items()}


def datasets_of(
    selectors: tuple[CompiledSelector, ...], tool: str | None, path: str, arguments: Mapping[str, Json]
) -> tuple[DatasetUse, ...]:
    """Every dataset that this call uses, each access once. `path` is relative to the service's URL, decoded."""
    return tuple(dict.fromkeys(one.use for one in selectors if one.fits(tool, path, arguments)))


def _compiled(dataset: str, selector: Selector) -> CompiledSelector:
    access: Access = selector.access
    return CompiledSelector(
        DatasetUse(dataset, access),
        frozenset(selector.tools),
        tuple(_pattern(path) for path in selector.paths),
        tuple(
            (tuple(place.split(".")), tuple(value) if isinstance(value, list | tuple) else (value,))
            for place, value in selector.arguments.items()
        ),
    )


def _pattern(path: str) -> re.Pattern[str]:
    """`*` and `{name}` stand for one segment or a part of it, `**` for anything. Letter case does not count.

    A selector that matches too much asks one question too many; one that matches too little asks none.
    """
    pieces = _WILDCARDS.split(path)
    pattern = "".join(
        ".*" if piece == "**" else "[^/]*" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)
    )
    return re.compile(pattern + "/?", re.DOTALL | re.IGNORECASE)


def _values(arguments: Mapping[str, Json], place: tuple[str, ...]) -> list[Json]:
    """What stands at this place; in a list, what stands there in any item."""
    found: list[Json] = [dict(arguments)]
    for name in place:
        found = [value[name] for value in _items(found) if isinstance(value, dict) and name in value]
    return list(_items(found))


def _items(values: list[Json]) -> Iterator[Json]:
    for value in values:
        if isinstance(value, list):
            yield from _items(value)
        else:
            yield value


def _same(value: Json, wanted: Json) -> bool:
    """Equal, also as text (`7` from a query string is `7`), and whatever the letter case."""
    if isinstance(value, dict | list) or isinstance(wanted, dict | list):
        return value == wanted
    return _text(value) == _text(wanted)


def _text(value: Json) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).casefold()
