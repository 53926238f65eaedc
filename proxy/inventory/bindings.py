"""The rules of a binding: a secret by reference, put into requests that are named."""

import re
from collections.abc import Iterator

from proxy.errors import Mistake
from proxy.facts import AnyBinding, Binding, Service, TokenExchangeBinding
from proxy.inventory.binding_kinds import wrong_kind
from proxy.inventory.read import Entry

_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+")
_METHOD = re.compile(r"[A-Z]{1,20}|\*")
_PATTERN = re.compile(r"/[^\x00-\x20?#*\x7f-\U0010ffff]*(?<=/)\*|/[^\x00-\x20?#*\x7f-\U0010ffff]*")
_SLOTS = re.compile(r"\{(principal|agent|task)\}")


def wrong_binding(entry: Entry[Service], index: int) -> Iterator[Mistake]:
    """Every mistake within one binding. None of the sentences repeats what stands where a secret belongs."""
    at = ("bindings", index)
    binding = entry.fact.bindings[index]
    for field, reference in binding.references.items():
        if not _is_reference(binding, field, reference):
            text = (
                "must be a reference, `env:NAME` or `file:PATH`, never the secret itself; "
                "if a real secret stood here, replace it at its source"
            )
            yield entry.mistake(text, *at, field)
    for field, text in wrong_kind(binding):
        yield entry.mistake(text, *at, field)
    if binding.parameter is not None and entry.fact.trust == "internal":
        text = "does not go with `trust: internal`: such a service gets a token over its whole URL; use `header`"
        yield entry.mistake(text, *at, "query")
    yield from _wrong_scope(entry, binding, at)


def _is_reference(binding: AnyBinding, field: str, reference: str) -> bool:
    """Tokens to be exchanged may also be minted by us, or lie in a file for each principal, agent or task."""
    if isinstance(binding, TokenExchangeBinding) and field in {"subject_token", "actor_token"}:
        if reference == "minted":
            return True
        reference = _SLOTS.sub("x", reference) if reference.startswith("file:") else reference
    return _SECRET.fullmatch(reference) is not None


def _wrong_scope(entry: Entry[Service], binding: Binding, at: tuple[str | int, ...]) -> Iterator[Mistake]:
    for field, items in (("methods", binding.methods), ("paths", binding.paths)):
        if not items:
            yield entry.mistake("is empty and so matches nothing; name at least one", *at, field)
    for position, method in enumerate(binding.methods):
        if not _METHOD.fullmatch(method):
            yield entry.mistake("must be a method in capitals, such as `GET`, or `*` for any", *at, "methods", position)
    for position, path in enumerate(binding.paths):
        if not _PATTERN.fullmatch(path) or "/../" in f"{path}/":
            yield entry.mistake(
                "must start with `/`, without spaces, `..`, `?` or `#`, and with `*` only as its last segment",
                *at,
                "paths",
                position,
            )
