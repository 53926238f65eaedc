"""An OpenAPI 3.0 or 3.1 document into tools: one for each operation, with a route and one input schema.

A tool is named by its `operationId`, else `METHOD /path`. Its arguments are the path and query parameters and
the properties of the JSON (or form) body; a body that is no object is the argument `body`. Where two places
share a name, the path keeps it, and the others become `query_<name>` and `body_<name>`. Header and cookie
parameters are no arguments, nor are query parameters that credential bindings fill. Only local references are
followed; `servers` is ignored, since the service's own URL says where it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from policies.model import Json
from proxy import strict_json
from proxy.documents import Document, read_tree
from proxy.errors import Mistake
from proxy.facts import Effect, Route, Tool
from proxy.protocols.operations import Operation, Place, prepare
from proxy.strict_json import fold

_MAX_BYTES = 16 << 20
_MAX_DEPTH = 24
_MAX_NODES = 20_000
_EFFECTS: Mapping[str, Effect] = {
    "get": "read",
    "head": "read",
    "options": "read",
    "post": "write",
    "put": "write",
    "patch": "write",
    "delete": "delete",
}
_MERGED = ("application/json", "application/x-www-form-urlencoded")

type Node = dict[str, Json]


def read_operations(
    raw: bytes, file: str, mistakes: list[Mistake], credentials: frozenset[str] = frozenset()
) -> list[Operation]:
    """Every operation of the document. What cannot be used is a mistake, never silently left out.

    `credentials` are the query parameters that are no arguments, in lower case.
    """
    document = _parse(raw, file, mistakes)
    if document is None:
        return []
    version = document.data.get("openapi")
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
        mistakes.append(document.mistake(("openapi",), "must be 3.0.x or 3.1.x; convert older documents first"))
        return []
    paths = document.data.get("paths")
    if not isinstance(paths, dict) or not paths:
        mistakes.append(document.mistake(("paths",), "must hold at least one path; a service without tools needs none"))
        return []
    found = []
    for path, item in paths.items():
        if path.startswith("x-"):
            continue
        if not isinstance(item, dict):
            mistakes.append(document.mistake(("paths", path), "must be a mapping of methods"))
            continue
        for method, node in item.items():
            if method in _EFFECTS and isinstance(node, dict):
                reader = _Reader(document, ("paths", path, method), mistakes, credentials)
                found.append(reader.operation(path, method, item, node))
    return found


def _parse(raw: bytes, file: str, mistakes: list[Mistake]) -> Document | None:
    if not raw.lstrip().startswith(b"{"):
        return read_tree(raw, file, mistakes)
    try:
        data = strict_json.loads(raw, max_bytes=_MAX_BYTES, max_depth=128)
    except ValueError as error:
        mistakes.append(Mistake(file, 0, "", f"cannot be used: {error}"))
        return None
    return Document(file, data, {}) if isinstance(data, dict) else None


@dataclass(slots=True)
class _Reader:
    """Reads one operation; everything it inlines counts against one budget."""

    document: Document
    at: tuple[str | int, ...]
    mistakes: list[Mistake]
    credentials: frozenset[str]
    nodes: int = 0
    names: dict[str, Place] = field(default_factory=dict)
    renamed: dict[tuple[Place, str], str] = field(default_factory=dict)

    def operation(self, path: str, method: str, item: Node, node: Node) -> Operation:
        properties: Node = {}
        required: list[Json] = []
        for place, parameter, schema, needed in (*self._parameters(item, node), *self._body(node)):
            argument = self._named(place, parameter)
            properties[argument] = schema
            if needed:
                required.append(argument)
        name = node.get("operationId")
        text = node.get("summary") or node.get("description")
        tool = Tool(
            name=name if isinstance(name, str) and name else f"{method.upper()} {path}",
            route=Route(method=method.upper(), path=path),
            effect=_EFFECTS[method],
            description=text if isinstance(text, str) else "",
        )
        return prepare(tool, {"type": "object", "properties": properties, "required": required}, self.renamed)

    def _named(self, place: Place, name: str) -> str:
        argument = name if self.names.setdefault(name, place) == place else f"{place}_{name}"
        if argument != name:
            if self.names.setdefault(argument, place) != place:
                self._mistake(f"has several parameters that would be the argument `{argument}`; rename one")
            self.renamed[place, name] = argument
        return argument

    def _parameters(self, item: Node, node: Node) -> Iterator[tuple[Place, str, Json, bool]]:
        """Path and query parameters, the operation's own before those of its path, path before query."""
        found: dict[tuple[str, str], Node] = {}
        for owner in (item, node):
            listed = owner.get("parameters", [])
            for raw in listed if isinstance(listed, list) else ():
                parameter = self._followed(raw)
                name, place = parameter.get("name"), parameter.get("in")
                if isinstance(name, str) and isinstance(place, str):
                    found[place, name] = parameter
                else:
                    self._mistake("has a parameter without `name` or `in`, or with a reference that leads nowhere")
        places: tuple[Place, Place] = ("path", "query")
        for place in places:
            for (where, name), parameter in found.items():
                if where == place and not (place == "query" and fold(name) in self.credentials):
                    yield place, name, self._schema(parameter.get("schema", {})), parameter.get("required") is True

    def _body(self, node: Node) -> Iterator[tuple[Place, str, Json, bool]]:
        body = self._followed(node.get("requestBody"))
        content = body.get("content")
        if not isinstance(content, dict):
            return
        media = next((content[kind] for kind in _MERGED if kind in content), None)
        if media is None:
            media = next((value for kind, value in content.items() if kind.endswith("+json")), None)
        if not isinstance(media, dict):
            return
        schema = self._schema(media.get("schema", {}))
        needed = body.get("required") is True
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not isinstance(schema, dict) or not isinstance(properties, dict):
            yield "body", "body", schema, needed
            return
        listed = schema.get("required")
        required = listed if isinstance(listed, list) else []
        for name, inner in properties.items():
            yield "body", name, inner, needed and name in required

    def _followed(self, node: Json) -> Node:
        """The mapping that this is, or refers to; empty if it is none."""
        for _ in range(8):
            if not isinstance(node, dict):
                return {}
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self._target(reference)
        return {}

    def _target(self, reference: str) -> Json:
        if not reference.startswith("#/"):
            self._mistake(f"refers to `{reference[:80]}`; only references inside the document (`#/...`) are followed")
            return None
        here: Json = self.document.data
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            here = here.get(name) if isinstance(here, dict) else None
        if here is None:
            self._mistake(f"refers to `{reference[:80]}`, which is not in the document")
        return here

    def _schema(self, node: Json, depth: int = 0, within: frozenset[str] = frozenset()) -> Json:
        """The schema with its references inlined; `{}` (anything) where it recurses or grows too large."""
        self.nodes += 1
        if not isinstance(node, dict) or depth > _MAX_DEPTH or self.nodes > _MAX_NODES:
            return {}
        reference = node.get("$ref")
        if isinstance(reference, str):
            if reference in within:
                return {}
            return self._schema(self._target(reference), depth + 1, within | {reference})
        copy: Node = {}
        for keyword, value in node.items():
            if keyword == "properties" and isinstance(value, dict):
                copy[keyword] = {name: self._schema(inner, depth + 1, within) for name, inner in value.items()}
            elif keyword in {"allOf", "anyOf", "oneOf", "prefixItems"} and isinstance(value, list):
                copy[keyword] = [self._schema(inner, depth + 1, within) for inner in value]
            elif keyword in {"items", "additionalProperties", "not"} and isinstance(value, dict):
                copy[keyword] = self._schema(value, depth + 1, within)
            elif keyword in {"type", "enum", "const", "required", "additionalProperties", "format", "nullable"}:
                copy[keyword] = value
        return _merged(_nullable(copy))

    def _mistake(self, text: str) -> None:
        mistake = self.document.mistake(self.at, text)
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)


def _nullable(schema: Node) -> Node:
    """OpenAPI 3.0 says `nullable: true` where JSON Schema lists the type `null`."""
    kind = schema.get("type")
    if schema.pop("nullable", None) is True and isinstance(kind, str):
        schema["type"] = [kind, "null"]
    return schema


def _merged(schema: Node) -> Node:
    """`allOf` of plain objects as the one object that it describes."""
    parts = schema.get("allOf")
    if not isinstance(parts, list):
        return schema
    whole: list[Node] = [part for part in [*parts, {**schema, "allOf": None}] if isinstance(part, dict)]
    if any(part.get("type", "object") != "object" or {"anyOf", "oneOf", "not"} & part.keys() for part in whole):
        return schema
    properties: Node = {}
    required: list[Json] = []
    for part in whole:
        declared, listed = part.get("properties"), part.get("required")
        properties |= declared if isinstance(declared, dict) else {}
        required += listed if isinstance(listed, list) else []
    if not properties:
        return schema
    merged: Node = {"type": "object", "properties": properties, "required": required}
    if any(part.get("additionalProperties") for part in whole):
        merged["additionalProperties"] = True
    return merged
