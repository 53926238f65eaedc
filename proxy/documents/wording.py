"""What the validator found, in words for the person who wrote the file: what is wrong, and what to do."""

import difflib
import re
from collections.abc import Collection
from types import UnionType
from typing import TYPE_CHECKING, Annotated, TypeAliasType, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

_EMPTY = "is empty; write a value, or remove the line"
_GROUP = "must be a group of `name: value` lines"
_LIST = "must be a list: one item a line, each after `- `"
_DATE = "is not a date; write it as YYYY-MM-DD, for example 2027-01-31"
_FIXED = {
    "missing": "is missing; add it",
    "bool_type": "must be `true` or `false`",
    "bool_parsing": "must be `true` or `false`",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "model_type": _GROUP,
    "model_attributes_type": _GROUP,
    "dict_type": _GROUP,
    "mapping_type": _GROUP,
    "path_type": "must be the path of a file, as text",
    "string_pattern_mismatch": "has characters that are not allowed here",
}
_BOUNDS = {
    "greater_than": ("gt", "must be more than {}"),
    "greater_than_equal": ("ge", "must be at least {}"),
    "less_than": ("lt", "must be less than {}"),
    "less_than_equal": ("le", "must be at most {}"),
    "too_short": ("min_length", "must have at least {} item(s)"),
    "too_long": ("max_length", "must have at most {} items"),
    "string_too_short": ("min_length", "must have at least {} character(s)"),
    "string_too_long": ("max_length", "must have at most {} characters"),
}


def nearest(word: str, known: Collection[str]) -> str:
    """`; did you mean ...?` if a known word is close, else the list of them while it is short."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    if close:
        return f"; did you mean `{close[0]}`?"
    if known and len(known) <= 24:
        return "; known are " + ", ".join(f"`{name}`" for name in known)
    return ""


def words_for(error: "ErrorDetails", model: "type[BaseModel]") -> str:
    """One sentence for one finding. Never repeats a value that could be a secret."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "is not a field here" + nearest(str(error["loc"][-1]), _fields_around(model, error["loc"][:-1]))
    if kind == "missing":
        return _FIXED[kind]
    if kind == "value_error":
        return str(context["error"])
    if given is None:
        return _EMPTY
    if kind == "string_type":
        return _not_text(given)
    if kind == "union_tag_invalid":
        return _not_of_a_kind(given, re.findall(r"[^', ]+(?=')", str(context.get("expected_tags", ""))))
    if kind in {"literal_error", "enum"}:
        return _not_one_of(given, re.findall(r"[^', ]+(?=')|\b[0-9]+\b", str(context.get("expected", ""))))
    if kind in _BOUNDS:
        bound, text = _BOUNDS[kind]
        return text.format(context.get(bound))
    return _FIXED.get(kind) or re.sub(r"^input should", "must", error["msg"][:1].lower() + error["msg"][1:])


def _not_text(given: object) -> str:
    if isinstance(given, bool | int | float):
        return "must be text; put the value in quotes"
    return f"must be text, not a {'list' if isinstance(given, list) else 'group of fields'}"


def _not_of_a_kind(given: object, allowed: list[str]) -> str:
    return _not_one_of(given.get("kind"), allowed) if isinstance(given, dict) else _GROUP


def _not_one_of(given: object, allowed: list[str]) -> str:
    choices = ", ".join(f"`{choice}`" for choice in allowed)
    if not isinstance(given, str) or len(given) > 40:
        return f"must be one of {choices}"
    close = difflib.get_close_matches(given, allowed, n=1, cutoff=0.6)
    return f"`{given}` is not one of {choices}" + (f"; did you mean `{close[0]}`?" if close else "")


def _fields_around(model: "type[BaseModel]", loc: tuple[int | str, ...]) -> list[str]:
    here = [model]
    for part in loc:
        if isinstance(part, str):
            fields = [field for one in here if (field := one.model_fields.get(part))]
            here = _models_in(fields[0].annotation) if fields else [one for one in here if _is_of_kind(one, part)]
    return list(here[0].model_fields) if len(here) == 1 else []


def _is_of_kind(model: "type[BaseModel]", kind: str) -> bool:
    """Whether this is the member of a union that is told from the others by its `kind`."""
    field = model.model_fields.get("kind")
    return field is not None and field.default == kind


def _models_in(annotation: object) -> "list[type[BaseModel]]":
    """The models that a field's type is, or holds: `Route | None`, `tuple[Tool, ...]`."""
    from pydantic import BaseModel  # noqa: PLC0415 - only who found a mistake in a model needs it

    if isinstance(annotation, TypeAliasType):
        return _models_in(annotation.__value__)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (tuple, list, Annotated, Union, UnionType):
        return [found for inner in get_args(annotation) for found in _models_in(inner)]
    return []
