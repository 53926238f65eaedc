"""A tool made ready for calls: what its arguments are called, what they must look like, what it is pinned to."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from policies.model import Json
from proxy.errors import Refused, refuse
from proxy.facts import Tool
from proxy.strict_json import canonical, fold

type Place = Literal["path", "query", "body"]
type Schema = Mapping[str, Json]

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE][-+]?[0-9]{1,2})?")
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """The declared names of one object, to catch a name that only a lax reader takes for one of them."""

    names: frozenset[str]
    folded: frozenset[str]
    inner: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Operation:
    """A tool and what was prepared from it.

    `renamed` maps a place's names to argument names, where they differ. `mirrored` says which argument an
    `Mcp-Param-*` header repeats, by the header's last part (the schema marks it with `x-mcp-header`).
    """

    tool: Tool
    schema: Schema | None
    definition: str
    properties: Mapping[str, Schema]
    shape: Shape | None
    renamed: Mapping[tuple[Place, str], str] = field(default_factory=dict)
    mirrored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def argument(self, place: Place, name: str) -> str:
        """What the policies call this parameter."""
        return self.renamed.get((place, name), name) if self.renamed else name


def prepare(tool: Tool, schema: Schema | None, renamed: Mapping[tuple[Place, str], str] | None = None) -> Operation:
    """The operation of this tool. `schema` may say more than the tool's own: path parameters, for example."""
    definition = {"name": tool.name, "description": tool.description, "input_schema": _plain(schema)}
    declared = schema.get("properties") if schema else None
    members: Mapping[str, Json] = declared if isinstance(declared, Mapping) else {}
    return Operation(
        tool=tool,
        schema=schema,
        definition="sha256:" + hashlib.sha256(canonical(definition)).hexdigest(),
        properties={name: inner for name, inner in members.items() if isinstance(inner, Mapping)},
        shape=_shape(schema, _MAX_DEPTH),
        renamed=renamed or {},
        mirrored=dict(_mirrored(schema, _MAX_DEPTH)),
    )


def _plain(value: Schema | Json) -> Json:
    """The same value in plain containers. What has no canonical number is kept as its text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return value


def _shape(schema: Schema | Json, depth: int) -> Shape | None:
    if not isinstance(schema, Mapping) or depth == 0:
        return None
    declared = schema.get("properties")
    if not isinstance(declared, Mapping):
        return _shape(schema.get("items"), depth - 1)
    names = frozenset(map(str, declared))
    inner = {str(name): found for name, node in declared.items() if (found := _shape(node, depth - 1))}
    return Shape(names, frozenset(map(fold, names)), inner)


def _mirrored(schema: Schema | Json, depth: int, place: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    declared = schema.get("properties") if isinstance(schema, Mapping) else None
    for name, inner in declared.items() if isinstance(declared, Mapping) and depth else ():
        token = inner.get("x-mcp-header") if isinstance(inner, Mapping) else None
        if isinstance(token, str):
            yield token.lower(), (*place, name)
        yield from _mirrored(inner, depth - 1, (*place, name))


def check_lookalikes(shape: Shape, value: Json) -> None:
    """Refused if a name is a declared one to lax readers: `Amount` or `amount[]`, where `amount` is declared.

    INVARIANT: an argument that policy does not see under its declared name does not reach the upstream under
    another spelling of it.
    """
    for item in value if isinstance(value, list) else (value,):
        if not isinstance(item, dict):
            continue
        for name, inner in item.items():
            if name in shape.names:
                nested = shape.inner.get(name)
                if nested is not None:
                    check_lookalikes(nested, inner)
            elif fold(name) in shape.folded or _stem(name) in shape.folded:
                raise refuse(
                    "argument_lookalike",
                    400,
                    f"The argument {name[:40]!a} is almost a declared one. Use the declared spelling.",
                    "fix_request",
                )


def _stem(name: str) -> str:
    """The name that readers of forms find in this one: `amount` in ` amount`, `amount[]` and `amount[0]`."""
    return fold(name.partition("[")[0].strip())


def from_text(schema: Schema | None, name: str, texts: list[str]) -> Json:
    """A parameter that travelled as text, as its schema's type; refused if it is none, or is there twice."""
    if schema is not None and "array" in _kinds(schema):
        items = schema.get("items")
        inner = items if isinstance(items, Mapping) else None
        return [_typed(inner, name, text) for text in texts]
    if len(texts) > 1:
        raise conflict(name)
    return _typed(schema, name, texts[0])


def conflict(name: str) -> Refused:
    return refuse(
        "argument_conflict",
        400,
        f"The argument {name[:40]!a} is given more than once in this request. Give it once, in one place.",
        "fix_request",
    )


def _typed(schema: Schema | None, name: str, text: str) -> Json:
    kinds = _kinds(schema) if schema is not None else ()
    if not kinds or "string" in kinds:
        return text
    if "integer" in kinds and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in kinds and _NUMBER.fullmatch(text):
        return int(text) if _INTEGER.fullmatch(text) else float(text)
    if "boolean" in kinds and text in {"true", "false"}:
        return text == "true"
    if {"integer", "number", "boolean"}.isdisjoint(kinds):
        return text
    raise refuse(
        "argument_invalid",
        400,
        f"The argument {name[:40]!a} is not of the type that this tool declares for it.",
        "fix_request",
    )


def _kinds(schema: Schema) -> tuple[str, ...]:
    return tuple(_each_kind(schema.get("type")))


def _each_kind(kind: Json) -> Iterator[str]:
    for one in kind if isinstance(kind, list | tuple) else (kind,):
        if isinstance(one, str):
            yield one
