"""Arguments as rows that a person can read to the end: every name, every value, in the order they came."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.console.glyphs import warnings

LONG = 400


@dataclass(frozen=True, slots=True)
class Row:
    """One value. `path` is `customer.tags[0]`; `note` says its length and digest when it is long."""

    path: str
    kind: str
    text: str
    note: str = ""
    warnings: tuple[str, ...] = ()


def rows_of(arguments: Mapping[str, Json]) -> list[Row]:
    """Every value in these arguments; an empty object or list is a row of its own."""
    return list(_walk("", dict(arguments))) if arguments else []


def _walk(path: str, value: Json) -> Iterator[Row]:
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield from _walk(f"{path}.{_name(name)}" if path else _name(name), inner)
        case list() if value:
            for place, inner in enumerate(value):
                yield from _walk(f"{path}[{place}]", inner)
        case _:
            yield _row(path, value)


def _row(path: str, value: Json) -> Row:
    match value:
        case str():
            note = _note(value)
            return Row(path, "text" if value else "empty text", value, note, tuple(warnings(path) + warnings(value)))
        case bool():
            kind = "yes or no"
        case int() | float():
            kind = "number"
        case None:
            kind = "nothing"
        case dict():
            kind = "empty object"
        case _:
            kind = "empty list"
    # json.dumps keeps every digit of a whole number; browsers' own numbers would not
    return Row(path, kind, json.dumps(value), warnings=tuple(warnings(path)))


def _name(name: str) -> str:
    """A name as it stands, or quoted when it would look like a path."""
    return name if name and not set(name) & set('.[]" ') else json.dumps(name, ensure_ascii=False)


def _note(text: str) -> str:
    if len(text) <= LONG:
        return ""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{len(text):,} characters, SHA-256 {digest}, shown whole"
