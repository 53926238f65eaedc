"""Which datasets a call touches, by the selectors of the inventory."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from policies.model import Access, DatasetUse, Json
from proxy.facts import Dataset, Selector
from proxy.protocols.routes import relaxed
from proxy.strict_json import fold

type Place = tuple[str, ...]

_WILDCARDS = re.compile(r"(\*\*|\*|\{[^{}/]+\})")
# A call with more arguments than this counts as using every dataset that its arguments could select.
_MOST_VALUES = 10_000
_DEEPEST = 16
# How forms write what is inside what: `from[table]`, `tables[0]`, `from.table`.
_NESTED = re.compile(r"[\[\].]+")


@dataclass(frozen=True, slots=True)
class CompiledSelector:
    """One way to recognise a dataset. Every condition that is given must hold."""

    use: DatasetUse
    tools: frozenset[str]
    paths: tuple[re.Pattern[str], ...]
    arguments: tuple[tuple[Place, tuple[Json, ...]], ...]

    def fits(self, tool: str | None, touched: "_Touched") -> bool:
        if self.tools and tool not in self.tools:
            return False
        if self.paths and not any(pattern.fullmatch(path) for pattern in self.paths for path in touched.paths):
            return False
        return all(touched.holds(place, values) for place, values in self.arguments)


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
    """Every dataset that this call uses, each access once. `path` is relative to the service's URL.

    It is decoded, but for `%2F`, which is within a segment. Whoever decodes that as well may find another dataset: then
    both are used.
    """
    if not selectors:
        return ()
    touched = _Touched(path, arguments)
    return tuple(dict.fromkeys([one.use for one in selectors if one.fits(tool, touched)]))


class _Touched:
    """A call's path and arguments, in every spelling that a lax server might take for a selector's."""

    def __init__(self, path: str, arguments: Mapping[str, Json]) -> None:
        self._path = path
        self._arguments = arguments
        self._texts: dict[Place, set[str]] = {}
        self._left = _MOST_VALUES

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The path's spellings; most selectors name tools, and never ask."""
        path = self._path
        return _spellings(path) + (_spellings(path.replace("%2F", "/")) if "%2F" in path else ())

    def holds(self, place: Place, wanted: tuple[Json, ...]) -> bool:
        """Whether one of these values stands at this place, or anywhere inside of it."""
        if not self._texts:
            self._gather(self._arguments, ())
        texts = {_text(one) for one in wanted if not isinstance(one, dict | list)}
        if texts and self._left < 0:
            return True  # more than is looked through might hold it
        if not texts.isdisjoint(self._texts.get(_parts(".".join(place)), ())):
            return True
        whole = [one for one in wanted if isinstance(one, dict | list)]
        return bool(whole) and any(value == one for value in _values(self._arguments, place) for one in whole)

    def _gather(self, value: Json | Mapping[str, Json], at: Place) -> None:
        """Every single value as text, under its place and every place around it; with commas, each part as well."""
        inner: Iterable[tuple[Place, Json]] = ()
        if isinstance(value, Mapping):
            inner = (((*at, *_parts(name))[:_DEEPEST], one) for name, one in value.items())
        elif isinstance(value, list):
            inner = ((at, one) for one in value)
        else:
            text = _text(value)
            self._left -= text.count(",")
            found = {text, *map(str.strip, text.split(","))} if "," in text else {text}
            for depth in range(len(at) + 1 if self._left >= 0 else 0):
                self._texts.setdefault(at[:depth], set()).update(found)
        for place, one in inner:
            self._left -= 1
            if self._left < 0:
                return
            self._gather(one, place)


def _spellings(path: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((fold(path), "/".join(map(relaxed, path.split("/"))))))


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
        ".*" if piece == "**" else "[^/]*" if index % 2 else re.escape(fold(piece))
        for index, piece in enumerate(pieces)
    )
    return re.compile(pattern + "/?", re.DOTALL)


def _parts(name: str) -> Place:
    """The names in one name, without numbers, which only count."""
    if name.isascii() and name.isalpha():
        return (name.lower(),)
    plain = (fold(part.strip()) for part in _NESTED.split(name, _DEEPEST))
    return tuple(part for part in plain if part and not part.isdecimal())


def _values(arguments: Mapping[str, Json], place: Place) -> list[Json]:
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


def _text(value: Json) -> str:
    """What to compare: `7` from a query string is `7`, whatever the letter case, and blanks around it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return fold(str(value).strip())
