"""What JSON is refused, what is kept exactly, and what its canonical bytes are."""

import json
import math
import struct

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.model import Json
from proxy import strict_json

EXACT = st.integers(-(2**53) + 1, 2**53 - 1)
LEAVES = st.none() | st.booleans() | EXACT | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)

REFUSED = {
    "empty": (b"", "not JSON"),
    "byte-order mark": (b'\xef\xbb\xbf{"a":1}', "byte-order mark"),
    "UTF-16": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "UTF-16 without mark": ('{"a":1}'.encode("utf-16-le"), "not JSON"),
    "UTF-32": ('{"a":1}'.encode("utf-32-be"), "not JSON"),
    "Latin-1": (b'{"a":"\xe9"}', "not UTF-8"),
    "surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    "over-long UTF-8": (b'{"a":"\xc0\xaf"}', "not UTF-8"),
    "duplicate key": (b'{"a":1,"a":2}', "'a' twice"),
    "nested duplicate key": (b'{"x":[{"a":1,"b":0,"a":1}]}', "'a' twice"),
    "duplicate through an escape": (b'{"a":1,"\\u0061":2}', "'a' twice"),
    "case twin": (b'{"method":1,"Method":2}', "'method' and 'Method'"),
    "long-s twin": ('{"params":1,"param\u017f":2}'.encode(), "in one object"),
    "Kelvin twin": ('{"k":1,"\u212a":2}'.encode(), "in one object"),
    "full-width twin": ('{"a":1,"\uff41":2}'.encode(), "in one object"),
    "composed twin": ('{"\u00e9":1,"e\u0301":2}'.encode(), "in one object"),
    "escaped long-s twin": (b'{"params":1,"param\\u017f":2}', "in one object"),
    "NUL in a key": (b'{"method\\u0000":1}', "NUL"),
    "raw NUL": (b'{"a\0":1}', "control character"),
    "raw newline in a string": (b'{"a":"\n"}', "control character"),
    "NaN": (b"NaN", "NaN"),
    "Infinity": (b"[Infinity]", "Infinity"),
    "minus Infinity": (b"[-Infinity]", "-Infinity"),
    "infinite float": (b"1e999", "beyond every float"),
    "many digits": (b"1" * 65, "digits"),
    "4301 digits": (b"1" * 4301, "digits"),
    "lone high surrogate": (b'"\\ud800"', "surrogate"),
    "lone low surrogate": (b'["\\uDC00"]', "surrogate"),
    "surrogate key": (b'{"\\ud83d":1}', "surrogate"),
    "trailing data": (b'{"a":1}{"a":2}', "extra data"),
    "trailing comma": (b"[1,]", "not JSON"),
    "comment": (b"[1/**/]", "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
    "leading zero": (b"[01]", "not JSON"),
    "plus sign": (b"[+1]", "not JSON"),
    "form feed as space": (b"\x0c1", "not JSON"),
    "no-break space": ("\u00a01".encode(), "not JSON"),
    "deep arrays": (b"[" * 33 + b"]" * 33, "deeper than 32"),
    "deep objects": (b'{"a":' * 33 + b"1" + b"}" * 33, "deeper than 32"),
    "very deep, unclosed": (b"[" * 500_000, "deeper than 32"),
    "unclosed string of escapes": (b'"' + b'\\"' * 400_000, "not JSON"),
}


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_readers_could_disagree_on_is_refused(data: bytes, why: str) -> None:
    """Each known difference between parsers is a ValueError that says which one it is."""
    with pytest.raises(ValueError, match=why.replace("'", ".")):
        strict_json.loads(data)


KEPT: dict[str, tuple[bytes, Json]] = {
    "small integer": (b"1", 1),
    "integer beyond 2^53": (b"10000000000000001", 10000000000000001),
    "float": (b"1.50", 1.5),
    "NUL in a value": (b'"\\u0000"', "\0"),
    "surrogate pair": (b'"\\ud83d\\ude00"', "\U0001f600"),
    "escaped backslash before u": (b'"\\\\ud800"', "\\ud800"),
    "same key in sibling objects": (b'[{"a":1},{"A":2}]', [{"a": 1}, {"A": 2}]),
    "at the depth limit": (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
    "many brackets, flat": (b"[" + b"{}," * 100 + b"[]]", [*({} for _ in range(100)), []]),
    "brackets in strings": (json.dumps("[" * 100).encode(), "[" * 100),
    "quotes in strings": (json.dumps(['\\"[' * 50]).encode(), ['\\"[' * 50]),
    "white space around": (b" \t\r\n1 \n", 1),
}


@pytest.mark.parametrize(("data", "value"), KEPT.values(), ids=KEPT.keys())
def test_what_means_one_thing_is_kept_exactly(data: bytes, value: Json) -> None:
    """A message that every reader understands alike keeps its exact value and type."""
    read = strict_json.loads(data)
    assert read == value
    assert type(read) is type(value)


PIECES = [
    "a",
    "A",
    "b",
    "\\u0061",
    ":",
    "\\u003a",
    "\\u003A",
    "\\\\u003a",
    "s",
    "\u017f",
    "\\u0000",
    "{",
    '\\"',
    "\\/",
    "\u00e9",
]
TOKENS = ["0", "-0", "1", "-0.0", "1.5", "1E3", "1e-400", "1e999", "1e20", "9007199254740993", "18446744073709551615"]
TOKENS += ["18446744073709551616", "-9223372036854775809", "9" * 64, "9" * 65, "0." + "1" * 80, "true", "null", "NaN"]
SPACES = st.sampled_from(["", "", "", " ", "\n\t", "\u00a0"])
strings = st.lists(st.sampled_from([*PIECES, "\\ud800", "\\ud83d\\ude00", "\t"]), max_size=3).map(
    lambda pieces: f'"{"".join(pieces)}"'
)


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    names = st.sampled_from(PIECES).map(lambda piece: f'"{piece}"')
    members = draw(st.lists(st.tuples(names, SPACES, inner), max_size=4))
    return "{" + ",".join(f"{name}{space}:{value}{space}" for name, space, value in members) + "}"


def _texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _objects(inner) | st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")


TEXTS = st.recursive(strings | st.sampled_from(TOKENS), _texts, max_leaves=12)


@settings(max_examples=300)
@given(TEXTS)
def test_the_quick_way_gives_what_the_slow_way_gives(text: str) -> None:
    """A document that is read quickly is read slowly, too, as the same value; what is refused is never quick."""
    data = text.encode()
    quick = strict_json._read_quickly(data, 4)
    if quick is not None:
        slow = strict_json._read_slowly(data, 4)
        assert repr(quick.value) == repr(slow)
        if quick.plain:
            assert strict_json.canonical(slow, plain=True) == rfc8785.dumps(slow)


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_size_is_no_way_around_a_refusal(data: bytes, why: str) -> None:
    """What is refused in a small document is refused in a large one, for the same reason."""
    if data.startswith(b"\xef\xbb\xbf"):
        return
    filler = json.dumps([{"filler": number} for number in range(500)]).encode()
    with pytest.raises(ValueError, match=f"{why.replace(chr(39), '.')}|not JSON|brackets"):
        strict_json.loads(b"[" + filler + b"," + data + b"]")


QUICK = {
    "objects": json.dumps([{"id": number, "name": "x", "rate": 0.25} for number in range(500)]),
    "escapes": json.dumps([{"name": "Zo\u00eb \U0001f600 <&>", "10:30": number} for number in range(500)]),
    "keys in other scripts": json.dumps([{"gr\u00f6\u00dfe": number} for number in range(500)], ensure_ascii=False),
    "large integers": json.dumps([2**60 + number for number in range(500)]),
    "white space": json.dumps([{"a": {"b": [number]}} for number in range(500)], indent=4),
}


@pytest.mark.parametrize("text", QUICK.values(), ids=QUICK.keys())
def test_ordinary_large_documents_are_read_quickly(text: str) -> None:
    """What agents send is not left to the slow way, which would hold up other calls."""
    quick = strict_json._read_quickly(text.encode(), 32)
    assert quick is not None
    assert quick.value == strict_json._read_slowly(text.encode(), 32)


def test_size_is_limited_before_reading() -> None:
    """A body over the limit is refused whatever it holds."""
    with pytest.raises(ValueError, match="more than 8 bytes"):
        strict_json.loads(b" " * 9, max_bytes=8)


@given(st.binary())
def test_bytes_give_a_value_or_a_value_error(data: bytes) -> None:
    """Any bytes give a value that every JSON reader would give, or a ValueError; never anything else."""
    try:
        value = strict_json.loads(data)
    except ValueError:
        return
    assert value == json.loads(data)


@given(VALUES)
def test_what_json_writes_is_read_back(value: Json) -> None:
    """Ordinary JSON is read as the standard library reads it, unless keys look alike."""
    try:
        read = strict_json.loads(json.dumps(value).encode())
    except ValueError as error:
        assert "in one object" in str(error) or "NUL" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert read == value


@given(VALUES)
def test_canonical_bytes_agree_with_another_implementation(value: Json) -> None:
    """Our RFC 8785 bytes are those of the `rfc8785` package."""
    assert strict_json.canonical(value) == rfc8785.dumps(value)


@given(VALUES)
def test_canonical_bytes_are_a_fixed_point(value: Json) -> None:
    """Reading canonical bytes and writing them again changes nothing, or is refused as beyond 2^53."""
    once = strict_json.canonical(value)
    try:
        again = strict_json.canonical(json.loads(once))
    except ValueError as error:
        assert "beyond 2^53" in str(error)  # noqa: PT017 - either outcome is right
        return
    assert again == once


@given(st.binary(min_size=8, max_size=8))
def test_any_float_is_written_as_ecmascript_does(raw: bytes) -> None:
    """Every bit pattern of a finite float agrees with the `rfc8785` package; the others are refused."""
    (number,) = struct.unpack(">d", raw)
    if math.isfinite(number):
        assert strict_json.canonical(number) == rfc8785.dumps(number)
    else:
        with pytest.raises(ValueError, match="no canonical form"):
            strict_json.canonical(number)


NUMBERS = {
    -0.0: b"0",
    5e-324: b"5e-324",
    1e21: b"1e+21",
    1e20: b"100000000000000000000",
    999999999999999900000.0: b"999999999999999900000",
    1e-6: b"0.000001",
    1e-7: b"1e-7",
    333333333.33333329: b"333333333.3333333",
    4.5: b"4.5",
    2e-3: b"0.002",
    1e30: b"1e+30",
    1.5e300: b"1.5e+300",
}


@pytest.mark.parametrize(("number", "text"), NUMBERS.items())
def test_numbers_of_rfc_8785(number: float, text: bytes) -> None:
    """The vectors of RFC 8785 section 3.2.2.3 and its appendix B come out as printed there."""
    assert strict_json.canonical(number) == text


def test_keys_are_sorted_by_utf_16_units() -> None:
    """A key outside the basic plane sorts before U+E000, as RFC 8785 section 3.2.3 demands."""
    assert strict_json.canonical({"\ue000": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ue000":1}'.encode()


@pytest.mark.parametrize(
    "value", [2**53, -(2**53), math.nan, math.inf, "\ud800", {"\ud800": 1}, {"a": b"x"}, [object()]]
)
def test_what_has_no_canonical_form_is_refused(value: Json) -> None:
    """Values that RFC 8785 cannot write without loss raise, so that the caller falls back to raw bytes."""
    with pytest.raises(ValueError, match="no canonical form"):
        strict_json.canonical(value)
