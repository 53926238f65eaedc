"""RFC 8785 (JCS): the one spelling of a JSON value; and what to know of a value before it is written.

A value is looked at level by level, everything alike at once: calls carry documents of many thousand small objects,
and a step of Python for each of their members would hold up every other call.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any, Final

import orjson

from policies.model import Json

MAX_EXACT: Final = 2**53 - 1
_DEEPEST: Final = 250
_MANY: Final = 32
_AS_THEY_ARE: Final = frozenset({str, bool, NoneType})
_KINDS: Final = _AS_THEY_ARE | {int, float, dict, list}


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is in a value. `depth` counts containers in containers; `keys` has every key of every object.

    `exact`: no integer is beyond 2^53; `plain_floats`: every writer spells them alike; `largest`: the greatest
    magnitude of one; `odd`: there is something that is no JSON, or is a subclass.
    """

    depth: int
    keys: frozenset[str]
    exact: bool
    plain_floats: bool
    largest: float
    odd: bool

    @property
    def plain_keys(self) -> bool:
        return _plain_keys(self.keys)

    @property
    def plain(self) -> bool:
        """Whether the value's sorted JSON, as orjson writes it, already is its RFC 8785 form."""
        return self.exact and self.plain_floats and not self.odd and self.plain_keys


def survey(value: Json) -> Survey:
    """One look at everything in the value; `ValueError` if it is nested too deeply to be written."""
    level: list[Any] = [value]
    keys: set[str] = set()
    depth, exact, plain_floats, largest, odd = 0, True, True, 0.0, False
    while level:
        kinds = set(map(type, level))
        odd = odd or not kinds <= _KINDS
        if int in kinds:
            wholes = [item for item in level if type(item) is int]
            exact = exact and min(wholes) >= -MAX_EXACT and max(wholes) <= MAX_EXACT
        if float in kinds:
            numbers = [item for item in level if type(item) is float]
            largest = max(largest, *map(abs, numbers))
            plain_floats = plain_floats and all(map(_plain_float, numbers))
        objects = [item for item in level if type(item) is dict] if dict in kinds else []
        lists = [item for item in level if type(item) is list] if list in kinds else []
        keys.update(*objects)
        level = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(lists)]
        depth += bool(objects or lists)
        if depth > _DEEPEST:
            raise ValueError("nested too deeply for a canonical form")
    return Survey(depth, frozenset(keys), exact, plain_floats, largest, odd)


def _plain_float(number: float) -> bool:
    """Whether all writers of shortest digits agree on it: no exponent, and no `.0`."""
    return 1e-4 <= abs(number) <= MAX_EXACT and not number.is_integer()


def _plain_keys(keys: Collection[str]) -> bool:
    """Whether these texts sort by code points as they do by UTF-16 units: nothing is beyond the surrogates."""
    text = "".join(keys)
    return text.isascii() or max(text) < "\ud800"


def jcs(value: Json, *, plain: bool = False, rounded: bool = False) -> bytes:
    """The RFC 8785 bytes; `ValueError` for what has none. `plain`: the caller knows that the value is.

    An integer beyond 2^53 has none; `rounded` writes it as the float nearest to it, as JavaScript would.
    """
    try:
        if plain or is_plain(value):
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        seen = survey(value)
        spelled = _Speller(seen, rounded=rounded).spelled(value)
        return orjson.dumps(spelled, option=orjson.OPT_SORT_KEYS if seen.plain_keys else 0)
    except orjson.JSONEncodeError:
        raise ValueError("half of a surrogate pair, or nesting too deep, has no canonical form") from None
    except RecursionError:
        raise ValueError("nested too deeply for a canonical form") from None
    except TypeError:
        raise ValueError("a key that is no string has no canonical form") from None


def is_plain(value: Json) -> bool:
    """`survey(value).plain`, sooner for the small values that most calls carry."""
    kind = type(value)
    if isinstance(value, dict) and kind is dict:
        return _plain_keys(value) and all(map(is_plain, value.values()))
    if isinstance(value, list) and kind is list:
        return survey(value).plain if len(value) > _MANY else all(map(is_plain, value))
    if isinstance(value, int) and kind is int:
        return -MAX_EXACT <= value <= MAX_EXACT
    return kind in _AS_THEY_ARE or (isinstance(value, float) and kind is float and _plain_float(value))


class _Speller:
    """Makes of a value one that orjson need only write down: numbers as ECMAScript spells them, keys in order."""

    def __init__(self, seen: Survey, *, rounded: bool) -> None:
        self._as_they_are = _AS_THEY_ARE | {int} if seen.exact else _AS_THEY_ARE
        self._sort = not seen.plain_keys  # else orjson sorts them
        self._rounded = rounded

    def spelled(self, value: Any) -> Any:  # noqa: ANN401 - JSON, and JSON with fragments of text
        kept, spelled = self._as_they_are, self.spelled
        if isinstance(value, float):
            return int(value) if value.is_integer() and abs(value) <= MAX_EXACT else self._number(value)
        if isinstance(value, dict):
            items = sorted(value.items(), key=_utf16) if self._sort else value.items()
            return {key: item if type(item) in kept else spelled(item) for key, item in items}
        if isinstance(value, list | tuple):
            return [item if type(item) in kept else spelled(item) for item in value]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._integer(value)
        if isinstance(value, bool | str | None):
            return value
        raise ValueError(f"a {type(value).__name__} has no canonical form")

    def _number(self, value: float) -> float | orjson.Fragment:
        return value if _plain_float(value) else orjson.Fragment(ecmascript(value))

    def _integer(self, value: int) -> int | orjson.Fragment:
        if -MAX_EXACT <= value <= MAX_EXACT:
            return value
        if self._rounded:
            return orjson.Fragment(ecmascript(float(value)))
        raise ValueError("an integer beyond 2^53 has no canonical form")


def _utf16(item: tuple[str, Any]) -> bytes:
    return item[0].encode("utf-16-be", "surrogatepass")


def ecmascript(number: float) -> str:
    """ECMAScript's Number::toString, from the same shortest digits that `repr` finds (RFC 8785 section 3.2.2.3)."""
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite, so has no canonical form")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    return sign + _placed(digits.rstrip("0"), point)


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
