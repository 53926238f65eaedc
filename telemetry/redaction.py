"""What a record may say about arguments: names, types and lengths, and a commitment that reveals nothing.

The commitment is HMAC-SHA256 over the RFC 8785 form of the arguments without secrets, under a salt of its
own: a plain hash of an e-mail address could be guessed. Whoever has salt and arguments can show that they
belong together; once the salt is erased nobody can.
"""

import hmac
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Literal

import orjson

from policies.model import Json
from telemetry.record import clip

_SALT_BYTES = 32
_MOST_NAMES = 64
_DEEPEST = 16
_SHORTEST_SECRET = 14
_LONGEST_NAME = 64
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
    salt: bytes

    @property
    def args(self) -> dict[str, Json]:
        return {"commit": self.commit, "shape": list(self.shape), "bytes": self.length}


def redact(arguments: Mapping[str, Json], level: Literal[0, 1] = 1) -> Redacted:
    """What the record keeps of the arguments: nothing (0), or commitment and shape (1)."""
    if level == 0:
        return Redacted("", [], 0, b"")
    shape: list[str] = []
    data = jcs(_without_secrets(arguments, shape))
    salt = os.urandom(_SALT_BYTES)
    if len(shape) > _MOST_NAMES:
        shape[_MOST_NAMES:] = [f"… {len(shape) - _MOST_NAMES} more"]
    return Redacted(commitment(salt, data), shape, len(data), salt)


def commitment(salt: bytes, data: bytes) -> str:
    return "hmac-sha256:" + hmac.digest(salt, data, sha256).hex()


def matches(commit: str, salt: bytes, arguments: Mapping[str, Json]) -> bool:
    """True if these arguments, secrets aside, are the ones that were committed to under this salt."""
    return hmac.compare_digest(commit, commitment(salt, jcs(_without_secrets(arguments, []))))


def _without_secrets(arguments: Mapping[str, Json], shape: list[str]) -> dict[str, Json]:
    """The arguments without secrets; `shape` gains a line for each value."""
    return {name: _strip(name, name, value, shape, 1) for name, value in arguments.items()}


def _strip(name: str, path: str, value: Json, shape: list[str], depth: int) -> Json:
    if name and _names_secret(name):
        shape.append(f"{clip(path, _LONGEST_NAME)}:secret")
        return STRIPPED
    if isinstance(value, str):
        if len(value) >= _SHORTEST_SECRET and _looks_secret(value):
            shape.append(f"{clip(path, _LONGEST_NAME)}:secret")
            return STRIPPED
        shape.append(f"{clip(path, _LONGEST_NAME)}:string({len(value)})")
        return value
    if isinstance(value, dict) and value:
        if depth >= _DEEPEST:
            return _too_deep(path, shape)
        return {key: _strip(key, f"{path}.{key}", item, shape, depth + 1) for key, item in value.items()}
    if isinstance(value, list) and value:
        if depth >= _DEEPEST:
            return _too_deep(path, shape)
        shape.append(f"{clip(path, _LONGEST_NAME)}:array({len(value)})")
        seen: list[str] = []
        kept: list[Json] = [_strip("", f"{path}[]", item, seen, depth + 1) for item in value]
        shape.extend(dict.fromkeys(seen))
        return kept
    shape.append(f"{clip(path, _LONGEST_NAME)}:{_TYPES[type(value)]}")
    return value


def _too_deep(path: str, shape: list[str]) -> Json:
    """Where we do not look for secrets any more, nothing is committed to."""
    shape.append(f"{clip(path, _LONGEST_NAME)}:deeper")
    return TOO_DEEP


def _looks_secret(value: str) -> bool:
    # Substrings first: the expression alone costs ten times as much on ordinary text.
    return any(marker in value for marker in _MARKERS) and _SECRET_VALUE.search(value) is not None


@lru_cache(4096)
def _names_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


_TYPES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array(0)",
    dict: "object(0)",
}


# --- RFC 8785 for any JSON, not only for the restricted form of records ---------------------------------


def jcs(value: Json) -> bytes:
    """The RFC 8785 form. Infinite numbers cannot be written: `ValueError`."""
    if _plain(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return b"".join(_pieces(value))


def _plain(value: Json) -> bool:
    """True if orjson's sorted form is the RFC's: no floats, ASCII keys, integers within 2**53."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if isinstance(value, dict):
        return all(key.isascii() and _plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_plain, value))
    return isinstance(value, int) and -(2**53) < value < 2**53


def _pieces(value: Json) -> Iterator[bytes]:
    match value:
        case bool() | None | str():
            yield orjson.dumps(value)
        case int() | float():
            yield _number(float(value)).encode()
        case list():
            yield b"["
            for number, item in enumerate(value):
                yield b"," if number else b""
                yield from _pieces(item)
            yield b"]"
        case dict():
            yield b"{"
            for number, key in enumerate(sorted(value, key=lambda key: key.encode("utf-16-be"))):
                yield b"," if number else b""
                yield orjson.dumps(key) + b":"
                yield from _pieces(value[key])
            yield b"}"


def _number(value: float) -> str:
    """As ECMAScript writes it (RFC 8785 section 3.2.2.3)."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - that is how NaN is known
        raise ValueError("a number that is not finite has no JSON form")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) if whole != "0" else int(exponent or 0) - (len(fraction) - len(digits))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power > 0 else '-'}{abs(power)}"
