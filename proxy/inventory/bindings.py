"""The rules of a binding: a secret by reference, into one header, of requests that are named."""

import re
from collections.abc import Iterator

from proxy.errors import Mistake
from proxy.facts import Binding, Service
from proxy.inventory.read import Entry

_SECRET = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f]+")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VISIBLE = re.compile(r"[\x20-\x7e]+")
_METHOD = re.compile(r"[A-Z]{1,20}|\*")
_PATTERN = re.compile(r"/[^\x00-\x20?#*\x7f-\U0010ffff]*(?<=/)\*|/[^\x00-\x20?#*\x7f-\U0010ffff]*")
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-encoding", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"traceparent", "tracestate", "transfer-encoding", "upgrade"}
)


def wrong_binding(entry: Entry[Service], index: int) -> Iterator[Mistake]:
    """Every mistake within one binding. None of the sentences repeats what stands in `secret`."""
    at = ("bindings", index)
    binding = entry.fact.bindings[index]
    if not _SECRET.fullmatch(binding.secret):
        text = (
            "must be a reference, `env:NAME` or `file:PATH`, never the secret itself; "
            "if a real secret stood here, replace it at its source"
        )
        yield entry.mistake(text, *at, "secret")
    if wrong := _wrong_header(binding.header):
        yield entry.mistake(wrong, *at, "header")
    if "{secret}" not in binding.value or not _VISIBLE.fullmatch(binding.value):
        yield entry.mistake("must be one line of ASCII text that holds `{secret}`", *at, "value")
    yield from _wrong_scope(entry, binding, at)


def _wrong_header(header: str) -> str:
    name = header.lower()
    if not _HEADER.fullmatch(name):
        return "is not a header name"
    if name in _OF_THE_CONNECTION or name.startswith(("proxy-", "countersign-", "x-countersign-")):
        return f"must not be `{header}`, which belongs to the connection"
    return ""


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
