"""What a record may say about arguments: names, types and lengths, and a commitment that reveals nothing.

The commitment is HMAC-SHA256 over the RFC 8785 form of the arguments without secrets, under a salt of its
own: a plain hash of an e-mail address could be guessed. Whoever has salt and arguments can show that they
belong together; once the salt is erased nobody can.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from itertools import chain, islice
from types import NoneType
from typing import Literal

from policies.model import Json
from telemetry.ids import random_bytes
from telemetry.jcs import jcs
from telemetry.record import clip

_SALT_BYTES = 32
_MOST_NAMES = 64
_DEEPEST = 16
_FEW = 8
_SHORTEST_SECRET = 14
_LONGEST_NAME = 64
_NO_NAME = 256
STRIPPED = "[secret]"
TOO_DEEP = "[too deep]"
_SECRET_NAME = re.compile(
    r"passw|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credential|authori[sz]ation|cookie|\botp\b",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.|\bgh[pousr]_\w{20}|\bgithub_pat_\w{20}|\bsk-[\w-]{20}|\bxox[abprs]-\w{8}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bglpat-[\w-]{20}|-----BEGIN [A-Z ]*PRIVATE KEY-----|^(?:Bearer|Basic) \S{8}"
)
_MARKERS = (
    *("eyJ", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "sk-", "xox"),
    *("AKIA", "ASIA", "glpat-", "PRIVATE KEY-----", "Bearer ", "Basic "),
)


@dataclass(frozen=True, slots=True)
class Redacted:
    """For the record: `commit`, `shape`, `length`. For the salts file, and nothing else: `salt`."""

    commit: str
    shape: list[str]
    length: int
    salt: bytes = field(repr=False)

    @property
    def args(self) -> dict[str, Json]:
        return {"commit": self.commit, "shape": list(self.shape), "bytes": self.length}


def redact(arguments: Mapping[str, Json], level: Literal[0, 1] = 1) -> Redacted:
    """What the record keeps of the arguments: nothing (0), or commitment and shape (1)."""
    if level == 0:
        return Redacted("", [], 0, b"")
    shape = _Shape()
    for name, value in arguments.items():
        shape.add(name, name, value, 1)
    data = _committed(arguments, spotless=shape.spotless)
    salt = random_bytes(_SALT_BYTES)
    return Redacted(commitment(salt, data), shape.lines(), len(data), salt)


def commitment(salt: bytes, data: bytes) -> str:
    return "hmac-sha256:" + hmac.digest(salt, data, sha256).hex()


def matches(commit: str, salt: bytes, arguments: Mapping[str, Json]) -> bool:
    """True if these arguments, secrets aside, are the ones that were committed to under this salt."""
    return hmac.compare_digest(commit, commitment(salt, _committed(arguments, spotless=False)))


def _committed(arguments: Mapping[str, Json], *, spotless: bool) -> bytes:
    """What is committed to. `spotless`: there is nothing to be left out."""
    kept = dict(arguments) if spotless else {name: _strip(name, value, 1) for name, value in arguments.items()}
    return jcs(kept, rounded=True)


class _Shape:
    """Names, types and lengths of values, one line for each. What stands at one place of a list is taken together."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], None] = {}
        self.spotless = True

    def lines(self) -> list[str]:
        """The lines, and beyond the most that a record keeps only their number."""
        lines = [f"{clip(path, _LONGEST_NAME)}:{kind}" for path, kind in islice(self._lines, _MOST_NAMES)]
        more = len(self._lines) - len(lines)
        return [*lines, f"… {more} more"] if more else lines

    def add(self, name: str, path: str, value: Json, depth: int) -> None:
        """The value at this path. `name` is what the last object on the way calls it, if it is one."""
        if name and _names_secret(name):
            self._spot(path, "secret")
        elif isinstance(value, str):
            if len(value) >= _SHORTEST_SECRET and _looks_secret(value):
                self._spot(path, "secret")
            else:
                self._lines[path, f"string({len(value)})"] = None
        elif isinstance(value, list):
            self._add_lists(path, [value], depth)
        elif isinstance(value, dict) and value and depth < _DEEPEST:
            for key, item in value.items():
                self.add(key, f"{path}.{key}", item, depth + 1)
        elif isinstance(value, dict):
            self._add_objects(path, [value], depth)
        else:
            self._lines[path, _SCALARS[type(value)]] = None

    def _add_all(self, name: str, path: str, values: list[Json], depth: int) -> None:
        """Many values at this path, each kind of them at once."""
        if len(values) <= _FEW:
            for value in values:
                self.add(name, path, value, depth)
            return
        if name and _names_secret(name):
            self._spot(path, "secret")
            return
        kinds = set(map(type, values))
        if str in kinds:
            self._add_texts(path, [value for value in values if isinstance(value, str)])
        for kind, label in _SCALARS.items():
            if kind in kinds:
                self._lines[path, label] = None
        if dict in kinds:
            self._add_objects(path, [value for value in values if isinstance(value, dict)], depth)
        if list in kinds:
            self._add_lists(path, [value for value in values if isinstance(value, list)], depth)

    def _add_texts(self, path: str, texts: list[str]) -> None:
        long = [text for text in texts if len(text) >= _SHORTEST_SECRET]
        if long and _may_look_secret("\0".join(long)):
            secrets = set(filter(_looks_secret, long))
            if secrets:
                self._spot(path, "secret")
                texts = [text for text in texts if text not in secrets]
        for length in dict.fromkeys(map(len, texts)):
            self._lines[path, f"string({length})"] = None

    def _add_objects(self, path: str, objects: list[dict[str, Json]], depth: int) -> None:
        groups: dict[str, list[Json]] = {}
        for value in objects:
            for name, item in value.items():
                groups.setdefault(name, []).append(item)
        if not all(objects):
            self._lines[path, "object(0)"] = None
        if groups and depth >= _DEEPEST:
            self._spot(path, "deeper")
            return
        for name, items in groups.items():
            self._add_all(name, f"{path}.{name}", items, depth + 1)

    def _add_lists(self, path: str, lists: list[list[Json]], depth: int) -> None:
        if not all(lists):
            self._lines[path, "array(0)"] = None
        items = [*chain.from_iterable(lists)]
        if items and depth >= _DEEPEST:
            self._spot(path, "deeper")
        elif items:
            for length in dict.fromkeys(map(len, filter(None, lists))):
                self._lines[path, f"array({length})"] = None
            self._add_all("", f"{path}[]", items, depth + 1)

    def _spot(self, path: str, kind: str) -> None:
        self.spotless = False
        self._lines[path, kind] = None


def _strip(name: str, value: Json, depth: int) -> Json:
    """The value without secrets, and without what lies too deep to be searched for them."""
    if name and _names_secret(name):
        return STRIPPED
    if isinstance(value, str):
        return STRIPPED if len(value) >= _SHORTEST_SECRET and _looks_secret(value) else value
    if not isinstance(value, dict | list) or not value:
        return value
    if depth >= _DEEPEST:
        return TOO_DEEP
    if isinstance(value, dict):
        return {key: _strip(key, item, depth + 1) for key, item in value.items()}
    return [_strip("", item, depth + 1) for item in value]


def _looks_secret(value: str) -> bool:
    return _may_look_secret(value) and _SECRET_VALUE.search(value) is not None


def _may_look_secret(text: str) -> bool:
    # Substrings first: the expression alone costs ten times as much on ordinary text.
    return any(marker in text for marker in _MARKERS)


def _names_secret(name: str) -> bool:
    """True also of what is no name: one as long as a body would take long to look through, and memory to remember."""
    return len(name) > _NO_NAME or _known_secret(name)


@lru_cache(4096)
def _known_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


_SCALARS: Mapping[type, str] = {NoneType: "null", bool: "boolean", int: "integer", float: "number"}
