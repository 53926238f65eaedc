"""A located document into a frozen model, or every mistake in it at once."""

from pathlib import Path
from typing import TYPE_CHECKING

from proxy.documents.tree import At, Document, read_bytes, read_tree, shown
from proxy.documents.wording import nearest, words_for
from proxy.errors import ConfigurationError, Mistake

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

__all__ = ["nearest", "read_model", "validate"]


def validate[M: BaseModel](document: Document, model: type[M], mistakes: list[Mistake], at: At = ()) -> M | None:
    """The model that stands at this place of the document; None, with every mistake noted, if it does not fit.

    Strict, as JSON: text is never read as a number or a boolean, nor the reverse.
    """
    import orjson  # noqa: PLC0415 - who only reads a tree loads no more than that
    from pydantic import ValidationError  # noqa: PLC0415 - as above

    try:
        return model.model_validate_json(orjson.dumps(document.value(at)), strict=True)
    except ValidationError as wrong:
        mistakes.extend(
            document.mistake(_place(document, at, error), words_for(error, model))
            for error in wrong.errors(include_url=False)
        )
        return None


def _place(document: Document, at: At, error: "ErrorDetails") -> At:
    """Where the mistake is written. The validator also names the member of a union, which is not written down."""
    place = at
    for part in error["loc"][:-1]:
        here = document.value(place)
        if not isinstance(here, dict) or part in here:
            place = (*place, part)
    if error["type"] == "union_tag_invalid" and isinstance(error["input"], dict):
        return (*place, *error["loc"][-1:], "kind")
    return (*place, *error["loc"][-1:])


def read_model[M: BaseModel](path: Path, model: type[M]) -> M:
    """The model in this file; raises `ConfigurationError` with every mistake."""
    mistakes: list[Mistake] = []
    raw = read_bytes(path, mistakes)
    document = None if raw is None else read_tree(raw, shown(path), mistakes)
    result = None if document is None else validate(document, model, mistakes)
    if result is None or mistakes:
        raise ConfigurationError(mistakes)
    return result
