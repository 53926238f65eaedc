"""JSON that can be read in one way only, and its canonical bytes (RFC 8259, RFC 7493, RFC 8785).

Two readers must never give one message two meanings. What some parsers accept and others refuse, or
read differently (duplicate and look-alike keys, NUL in keys, byte-order marks, NaN, lone surrogates,
numbers beyond any type), is refused here.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from json.encoder import encode_basestring
from typing import cast
from unicodedata import normalize

import orjson

from policies.model import Json

_MAX_DIGITS = 64
_MAX_EXACT = 2**53 - 1

_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ROUND = bytes.maketrans(b"[{]}", b"(())")
_PIECE = 64
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def loads(data: bytes, *, max_bytes: int = 1_048_576, max_depth: int = 32) -> Json:
    """The one value that these bytes mean; `ValueError` with a short text if readers could disagree."""
    if len(data) > max_bytes:
        raise ValueError(f"more than {max_bytes} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        raise ValueError("a byte-order mark before the value")
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


def canonical(value: Json) -> bytes:
    """The value's RFC 8785 (JCS) bytes; `ValueError` if a number or a string has none."""
    try:
        if _is_plain(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        out: list[str] = []
        _write(value, out.append)
        return "".join(out).encode("utf-8")
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        raise ValueError("half of a surrogate pair, or nesting too deep, has no canonical form") from None
    except RecursionError:
        raise ValueError("nested too deeply for a canonical form") from None
    except TypeError:
        raise ValueError("a key that is no string has no canonical form") from None


def _is_plain(value: Json) -> bool:
    """Whether sorted JSON already is RFC 8785: no floats, no inexact integers, keys that sort alike everywhere."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -_MAX_EXACT <= cast("int", value) <= _MAX_EXACT
    if kind is dict:
        members = cast("dict[str, Json]", value)
        if not "".join(members).isascii():
            return False
        items: Iterable[Json] = members.values()
    elif kind is list:
        items = cast("list[Json]", value)
    else:
        return False
    return all(map(_is_plain, items))


def canonical_of_plain(value: Json) -> bytes:
    """As `canonical`, for a value that the caller built with ASCII keys and without floats: no second look."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as error:
        raise ValueError("half of a surrogate pair, or a large integer, has no canonical form") from error


def _write(value: Json, put: Callable[[str], None]) -> None:
    if isinstance(value, str):
        put(encode_basestring(value))
    elif value is None:
        put("null")
    elif isinstance(value, bool):
        put("true" if value else "false")
    elif isinstance(value, int):
        put(_exact(value))
    elif isinstance(value, float):
        put(_shortest(value))
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        _write_object(value, put)
    elif isinstance(value, list | tuple):
        _write_list(value, put)
    else:
        raise ValueError(f"a {type(value).__name__} has no canonical form")


def _write_object(value: dict[str, Json], put: Callable[[str], None]) -> None:
    between = "{"
    for key in sorted(value) if all(map(str.isascii, value)) else sorted(value, key=_utf16):
        put(between)
        put(encode_basestring(key))
        put(":")
        _write(value[key], put)
        between = ","
    put("}" if value else "{}")


def _write_list(value: list[Json] | tuple[Json, ...], put: Callable[[str], None]) -> None:
    between = "["
    for item in value:
        put(between)
        _write(item, put)
        between = ","
    put("]" if value else "[]")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _exact(number: int) -> str:
    if not -_MAX_EXACT <= number <= _MAX_EXACT:
        raise ValueError("an integer beyond 2^53 has no canonical form")
    return str(number)


def _shortest(number: float) -> str:
    """ECMAScript's Number::toString, from the same shortest digits that `repr` finds."""
    if not math.isfinite(number):
        raise ValueError(f"{number} has no canonical form")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """`0.digits` times ten to the `point`, written as ECMAScript writes it."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    exponent = f"{point - 1:+d}"
    return f"{digits[0]}.{digits[1:]}e{exponent}" if count > 1 else f"{digits}e{exponent}"
