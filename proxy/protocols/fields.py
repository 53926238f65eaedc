"""Ordered name-value pairs: query strings and form bodies, read in the one way that all readers share."""

import re
from urllib.parse import unquote_to_bytes

_RAW = re.compile(r"(?:[!\"$&-:<-~]|%[0-9A-Fa-f]{2})*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def pairs(raw: str) -> tuple[tuple[str, str], ...]:
    """The decoded pairs in order; `ValueError` with a short text if readers could find others.

    `application/x-www-form-urlencoded` by the WHATWG rules, less what they forgive: stray percent signs,
    text that is not UTF-8, `;` (which some readers take for `&`), a value without a name.
    """
    if not raw:
        return ()
    if ";" in raw:
        raise ValueError("a `;`, which some readers take for `&`; send it as %3B")
    if not _RAW.fullmatch(raw):
        raise ValueError("a character that must be percent-encoded, or a percent sign that encodes nothing")
    decode = _decoded if "%" in raw or "+" in raw else str
    found = []
    for piece in raw.split("&"):
        name, _, value = piece.partition("=")
        if name:
            found.append((decode(name), decode(value)))
        elif piece:
            raise ValueError("a value without a name")
    return tuple(found)


def _decoded(text: str) -> str:
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("percent-encoded text that is not UTF-8") from None
    if _CONTROL.search(decoded):
        raise ValueError("a control character")
    return decoded
