"""JSON that can be read in one way only, and its canonical bytes (RFC 8259, RFC 7493, RFC 8785).

Two readers must never give one message two meanings. What some parsers accept and others refuse, or
read differently (duplicate and look-alike keys, NUL in keys, byte-order marks, NaN, lone surrogates,
numbers beyond any type), is refused here.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import cast
from unicodedata import normalize

import orjson

from policies.model import Json
from telemetry.jcs import jcs, survey

_MAX_DIGITS = 64
_LARGE = 4096
_ROUNDED_FROM = 2.0**63
_COLON_ESCAPE = re.compile(rb"\\u003[aA]")

_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ROUND = bytes.maketrans(b"[{]}", b"(())")
_PIECE = 64
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Document:
    """What was read. `plain`: its sorted JSON is known to be its canonical form, and so is that of any part of it."""

    value: Json
    plain: bool = False


def loads(data: bytes, *, max_bytes: int = 1_048_576, max_depth: int = 32) -> Json:
    """The one value that these bytes mean; `ValueError` with a short text if readers could disagree."""
    return read(data, max_bytes=max_bytes, max_depth=max_depth).value


def read(data: bytes, *, max_bytes: int = 1_048_576, max_depth: int = 32) -> Document:
    """As `loads`, with what was learnt about the value on the way."""
    if len(data) > max_bytes:
        raise ValueError(f"more than {max_bytes} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("a byte-order mark before the value")
    quick = _read_quickly(data, max_depth) if len(data) >= _LARGE else None
    return quick or Document(_read_slowly(data, max_depth))


def _read_quickly(data: bytes, max_depth: int) -> Document | None:
    """The document, if one look at all of it shows that `_read_slowly` would give it; None if that must say so.

    orjson is as strict with the grammar. It takes the last of two equal keys, which shows by the colons that are
    missing when the value is written again, and rounds integers that do not fit into 64 bits.
    """
    try:
        value = orjson.loads(data)
        seen = survey(value)
    except ValueError:
        return None
    if seen.depth > max_depth or seen.largest >= _ROUNDED_FROM or _COLON_ESCAPE.search(data) is not None:
        return None
    # INVARIANT: if no two keys of the whole document look alike, no two keys of one object do.
    if len(set(map(fold, seen.keys))) != len(seen.keys) or "\0" in "".join(seen.keys):
        return None
    if data.count(b":") != orjson.dumps(value).count(b":"):
        return None
    return Document(value, seen.plain)


def _read_slowly(data: bytes, max_depth: int) -> Json:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    _check_depth(data, max_depth)
    escapes = b"\\u" in data
    decode = _decoder(ascii_only=not escapes and data.isascii())
    try:
        value = decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg.lower()} at character {error.pos}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if escapes and _SURROGATE_ESCAPE.search(data):
        _check_surrogates(value)
    return value


def _check_depth(data: bytes, max_depth: int) -> None:
    """Refuse deep nesting before anything recurses: each round removes exactly one level."""
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    brackets = _STRINGS.sub(b"", data).translate(_ROUND, _NOT_BRACKETS)
    for _ in range(max_depth):
        if not brackets:
            return
        brackets = brackets.replace(b"()", b"")
    if brackets:
        raise ValueError(f"nested deeper than {max_depth}, or brackets that do not match")


def _check_surrogates(value: Json) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair") from None


@cache
def _decoder(*, ascii_only: bool) -> Callable[[str], Json]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_ascii_object if ascii_only else _object,
        parse_int=_integer,
        parse_float=_float,
        parse_constant=_constant,
    )
    return cast("Callable[[str], Json]", decoder.decode)


def fold(key: str) -> str:
    """The form under which a lax reader may take two keys for one (case, long s, full-width letters)."""
    if key.isascii():
        return key.lower()
    # In pieces: to put many marks on one letter into order takes CPython quadratic time. Decomposed (NFKD), so that
    # it does not matter where a piece ends.
    pieces = (key[at : at + _PIECE] for at in range(0, len(key), _PIECE))
    return "".join([normalize("NFKD", normalize("NFKD", piece).casefold()) for piece in pieces])


def _ascii_object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(set(map(str.lower, found))) != len(pairs):
        raise ValueError(_twin(pairs))
    return found


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    for key in found:
        if "\0" in key:
            raise ValueError("a NUL character in a key")
    if len(set(map(fold, found))) != len(pairs):
        raise ValueError(_twin(pairs))
    return found


def _twin(pairs: list[tuple[str, Json]]) -> str:
    seen: dict[str, str] = {}
    for key, _ in pairs:
        folded = fold(key)
        if folded in seen:
            first = seen[folded]
            if first == key:
                return f"the key {_shown(key)} twice in one object"
            return f"the keys {_shown(first)} and {_shown(key)} in one object, which some readers take for one"
        seen[folded] = key
    return "one key twice in one object"


def _shown(key: str) -> str:
    return ascii(key[:40])


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("a number beyond every float")
    return number


def _constant(name: str) -> Json:
    raise ValueError(f"{name}, which is not JSON")


# --- canonical bytes ---------------------------------------------------------------------------


def canonical(value: Json, *, plain: bool = False) -> bytes:
    """The value's RFC 8785 (JCS) bytes; `ValueError` if a number or a string has none. `plain`: see `Document`."""
    return jcs(value, plain=plain)


def canonical_of_plain(value: Json) -> bytes:
    """As `canonical`, for a value that the caller built with ASCII keys and without floats: no second look."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as error:
        raise ValueError("half of a surrogate pair, or a large integer, has no canonical form") from error
