"""The API's description, made from the table of its routes, so that the two cannot differ."""

import re
from collections.abc import Iterable
from typing import Any, Final

from proxy.control.routes import Entry, Permission

_WHO: Final = {
    Permission.MEMBER: "a person, or the local operator",
    Permission.PERSON: "a person",
    Permission.OPERATOR: "the local operator",
}
_QUERIES: Final = {
    ("GET", "/v1/handles"): ("agent", "live", "limit", "after"),
    ("GET", "/v1/agents"): ("limit", "after"),
    ("GET", "/v1/tasks"): ("agent", "live"),
    ("GET", "/v1/holds"): ("state",),
    ("GET", "/v1/reviews"): ("all",),
    ("GET", "/v1/calls"): ("limit", "agent", "outcome", "task", "principal", "before"),
    ("GET", "/v1/revocations"): ("limit", "after", "over"),
    ("DELETE", "/v1/revocations"): ("scope", "kind"),
}


def describe(entries: Iterable[Entry]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    shapes: dict[str, Any] = {}
    for entry in entries:
        paths.setdefault(entry.path, {})[entry.method.lower()] = _operation(entry, shapes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Countersign control API", "version": "1", "description": "Times are UNIX seconds."},
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": {"personalToken": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"personalToken": []}],
    }


def _operation(entry: Entry, shapes: dict[str, Any]) -> dict[str, Any]:
    """What is said of one route; the shapes that its body refers to are put where references look for them."""
    operation: dict[str, Any] = {
        "summary": entry.summary,
        "description": f"For {_WHO[entry.permission]}.",
        "parameters": _parameters(entry),
        "responses": {
            str(entry.status): {"description": "Done."},
            "default": {"description": "Refused.", "content": {"application/problem+json": {}}},
        },
    }
    if entry.body is not None:
        schema = entry.body.model_json_schema(ref_template="#/components/schemas/{model}")
        shapes |= schema.pop("$defs", {})
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _parameters(entry: Entry) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", entry.path)
    ]
    in_query = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in _QUERIES.get((entry.method, entry.path), ())
    ]
    return in_path + in_query
