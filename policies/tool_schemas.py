"""A tool's JSON Schema as a shape. What it does not say plainly becomes `Anything`, hidden from policies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from policies.model import Json
from policies.shapes import Anything, Many, Member, Number, Record, Shape, Text, Truth, Whole

type Node = Mapping[str, Json]

_MAX_DEPTH = 16
# Keywords through which an object may take more properties than `properties` names.
_WIDENING = frozenset(
    {"allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas", "dependencies", "unevaluatedProperties"}
)
# Names that mean something else in Cedar's JSON form of values.
_RESERVED = frozenset({"__entity", "__extn", "__expr"})


def arguments_shape(schema: Node | None) -> Record | None:
    """The shape of a tool's arguments; None when the schema does not say which arguments there are."""
    if schema is None:
        return None
    shape = _Reader(schema).shape(schema, 0)[0]
    return shape if isinstance(shape, Record) else None


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads one document; local references are followed, remote and recursive ones are not."""

    root: Node

    def shape(self, node: Json | Node, depth: int) -> tuple[Shape, bool]:
        """The shape, and whether null is allowed as well."""
        if not isinstance(node, Mapping) or depth > _MAX_DEPTH:
            return Anything(), True
        if "$ref" in node:
            return self.shape(self._target(node["$ref"]), depth + 1)
        if "type" not in node:
            return self._combined(node, depth)
        kind, nullable = _kind(node["type"])
        return self._typed(kind, node, depth), nullable

    def _combined(self, node: Node, depth: int) -> tuple[Shape, bool]:
        """`anyOf: [X, null]`, as generators write "optional X"; `allOf: [X]`, as they write "X, described"."""
        for keyword in ("anyOf", "oneOf", "allOf"):
            options = _items(node.get(keyword))
            if options is not None:
                real = [option for option in options if option != {"type": "null"}]
                if len(real) == 1:
                    shape, nullable = self.shape(real[0], depth + 1)
                    return shape, nullable or (keyword != "allOf" and len(real) < len(options))
                return Anything(), True
        if _texts(node.get("enum")) is not None or isinstance(node.get("const"), str):
            return self._typed("string", node, depth), False
        if "properties" in node:
            return self._typed("object", node, depth), False
        return Anything(), True

    def _typed(self, kind: str, node: Node, depth: int) -> Shape:
        match kind:
            case "string":
                return Text(_choices(node))
            case "integer":
                return Whole()
            case "number":
                return Number()
            case "boolean":
                return Truth()
            case "array":
                item, nullable = self.shape(node.get("items"), depth + 1)
                return Anything() if nullable else Many(item)
            case "object":
                return self._record(node, depth)
            case _:
                return Anything()

    def _record(self, node: Node, depth: int) -> Shape:
        properties = node.get("properties")
        if not isinstance(properties, Mapping):
            return Anything()
        names = [name for name in _items(node.get("required")) or () if isinstance(name, str)]
        members = {name: Member(Anything(), required=True, nullable=True) for name in names}
        for name, inner in properties.items():
            shape, nullable = self.shape(inner, depth + 1)
            if name in _RESERVED:
                shape, nullable = Anything(), True
            members[name] = Member(shape, name in names, nullable)
        return Record(members, bool(node.get("additionalProperties")) or not _WIDENING.isdisjoint(node))

    def _target(self, reference: Json) -> Json | Node:
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        found: Json | Node = self.root
        for part in reference.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


def _kind(declared: Json) -> tuple[str, bool]:
    """The one type that is not null, and whether null is allowed; several types are no type."""
    kinds = _items(declared) or [declared]
    real = [kind for kind in kinds if kind != "null"]
    if set(map(str, real)) == {"integer", "number"}:
        real = ["number"]
    kind = real[0] if len(real) == 1 else ""
    return (kind if isinstance(kind, str) else ""), "null" in kinds


def _choices(node: Node) -> frozenset[str] | None:
    if isinstance(node.get("const"), str):
        return frozenset({cast("str", node["const"])})
    return _texts(node.get("enum"))


def _texts(values: Json) -> frozenset[str] | None:
    """The values, if there are some and all of them are strings."""
    given = _items(values) or []
    texts = [value for value in given if isinstance(value, str)]
    return frozenset(texts) if texts and len(texts) == len(given) else None


def _items(value: object) -> list[Json] | None:
    """The items of an array, which a frozen document holds as a tuple; None for anything else."""
    return list(value) if isinstance(value, list | tuple) else None
