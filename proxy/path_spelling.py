"""One spelling of a path, for whoever compares it with one that was written down."""

import re

_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
# What may stand in a segment as it is (RFC 3986 section 3.3), but for `;`, after which some readers stop.
_NEEDS_NO_ESCAPE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@")


def written_alike(path: str) -> str:
    """The path in one spelling: `%40` is `@`, as servers read it, and what must be encoded is so in capitals.

    Else a rule about `/users/@me`, or about `/a%2Fb`, would not see the same place in another spelling.
    """
    return _ESCAPE.sub(_written, path) if "%" in path else path


def _written(escape: re.Match[str]) -> str:
    char = chr(int(escape[0][1:], 16))
    return char if char in _NEEDS_NO_ESCAPE else escape[0].upper()
