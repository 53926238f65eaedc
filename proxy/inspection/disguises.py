"""How a secret may stand in an answer: as it is, escaped here and there as common writers do, or encoded whole."""

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

_SHORTEST = 6
# What no common writer escapes; tokens of these characters alone are what secrets mostly are.
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._")
_BACKSLASHES = (1, 2, 3)  # of a writer of JSON or code, and of one that writes that into a text of its own

type Units = tuple[tuple[bytes, ...], ...]


def encoded(text: str) -> set[bytes]:
    """The secret as it is, and encoded as a whole, whatever stands around it."""
    raw = text.encode("utf-8")
    forms = {raw.hex().encode(), raw.hex().upper().encode()}
    forms |= {text.encode(charset) for charset in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")}
    for shift in range(3):
        inside = _base64_inside(raw, shift)
        forms |= {inside, inside.replace(b"+", b"-").replace(b"/", b"_")}
    percent, code = raw.hex("%").encode(), "".join(f"\\u{ord(char):04x}" for char in text)
    forms |= {b"%" + percent, b"%" + percent.upper(), code.encode(), code.upper().replace("\\U", "\\u").encode()}
    # Whole, too, since a pattern takes nothing back: of `\\` or `%25` in a secret it may take one for the other.
    written = {html.escape(text), quote(text, safe=""), quote_plus(text)}
    written |= {json.dumps(text, ensure_ascii=plain)[1:-1] for plain in (False, True)}
    written |= {again for one in written for again in (html.escape(one), quote(one, safe=""), json.dumps(one)[1:-1])}
    forms |= {one.encode() for one in written}
    return {raw} | {form for form in forms if len(form) >= _SHORTEST}


def units(text: str) -> Units:
    """For each character the ways to write it, longest first; nothing if no writer escapes any of them.

    Each writer has characters of its own that it escapes: those of a URL's path or query, of HTML, of JSON that may
    stand in HTML.
    """
    if _PLAIN.issuperset(text):
        return ()
    return tuple((char.encode(),) if char in _PLAIN else _spellings(char) for char in text)


def pattern_of(units: Units) -> re.Pattern[bytes]:
    """What finds them. A spelling that fits is not taken back, so that no answer makes this slow."""
    first, *others = (b"|".join(map(re.escape, unit)) for unit in units)
    # Only without a group of that kind in front does the search pass quickly over what cannot be the first character.
    return re.compile(b"(?:%s)" % first + b"".join(b"(?>%s)" % other for other in others))


def could_begin(units: Units, tail: bytes) -> bool:
    """Whether the tail, with more behind it, could be these units."""
    ends = {0}
    for unit in units:
        following: set[int] = set()
        for at in ends:
            for form in unit:
                if tail.startswith(form, at):
                    following.add(at + len(form))
                elif len(tail) - at < len(form) and form.startswith(tail[at:]):
                    return True
        if not following:
            return False
        ends = following
    return False


def _spellings(char: str) -> tuple[bytes, ...]:
    found = {char.encode(), *_escaped(char), html.escape(char).encode()}
    found |= {b"\\" * count + char.encode() for count in _BACKSLASHES}
    found |= {form.replace(b"%", b"%25") for form in _escaped(char) if form.startswith(b"%")}
    if char == " ":
        found.add(b"+")
    if char == "'":
        found.add(b"&apos;")
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _escaped(char: str) -> tuple[bytes, ...]:
    """Every way to write any character, the letters of hexadecimal numbers both small and large."""
    raw, number = char.encode("utf-8"), ord(char)
    forms = ["".join(f"%{byte:02x}" for byte in raw), f"\\u{number:04x}", f"\\x{number:02x}", f"&#x{number:x};"]
    large = ["".join(f"%{byte:02X}" for byte in raw), f"\\u{number:04X}", f"\\x{number:02X}", f"&#x{number:X};"]
    return tuple(form.encode() for form in (*forms, *large, f"&#{number};", f"&#{number:03};"))


def _base64_inside(raw: bytes, shift: int) -> bytes:
    """The characters that only these bytes decide, if `shift` bytes (modulo 3) come before them."""
    coded = base64.b64encode(b"\0" * shift + raw)
    return coded[(shift * 8 + 5) // 6 : (shift + len(raw)) * 8 // 6]
