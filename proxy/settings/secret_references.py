"""Which secrets the settings name."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel

from proxy.settings.model import Settings
from proxy.settings.values import Reference


def secret_references(settings: Settings) -> Iterator[tuple[str, str]]:
    """(the field, as a person writes it; the reference) of each secret; our own private key for TLS is one."""
    yield from _of(settings, "")
    if settings.listen.key_file is not None:
        yield "listen.key_file", f"file:{settings.listen.key_file}"


def _of(model: BaseModel, before: str) -> Iterator[tuple[str, str]]:
    for name, field in type(model).model_fields.items():
        value, here = getattr(model, name), f"{before}{name}"
        if isinstance(value, str) and Reference in (field.annotation, *get_args(field.annotation)):
            yield here, value
        elif isinstance(value, BaseModel):
            yield from _of(value, f"{here}.")
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _of(item, f"{here}[{index}].")
        elif isinstance(value, dict) and Reference in get_args(field.annotation):
            yield from ((f"{here}.{key}", item) for key, item in value.items())
