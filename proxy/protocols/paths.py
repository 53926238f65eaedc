"""A request path as decoded segments, if every server would find the same ones in it."""

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from proxy.errors import Refused, refuse

# RFC 3986 section 3.3: what may stand in a path as it is.
_RAW = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)+")
# An encoded letter, digit, `-`, `.` or `_` (section 6.2.2.2: the same as the character itself) serves only
# to make a path look different to a rule than to the server. `~` is left out: old clients encode it.
_NEEDLESS = re.compile(r"%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF])")
_FORBIDDEN = re.compile(r"[/\\%\x00-\x1f\x7f-\x9f]")


@lru_cache(maxsize=1024)
def segments(path: str) -> tuple[str, ...]:
    """The path's segments, each decoded once; refused if readers could find others in it.

    A final slash gives a last, empty segment. `/` alone has none.
    """
    if path == "/":
        return ()
    if not _RAW.fullmatch(path):
        raise _ambiguous("a character that must be percent-encoded")
    if _NEEDLESS.search(path):
        raise _ambiguous("a percent-encoded letter, digit, `-`, `.` or `_`")
    raw = path.split("/")[1:]
    if "" in raw[:-1]:
        raise _ambiguous("an empty segment")
    return tuple([_decoded(segment) for segment in raw])


def _decoded(raw: str) -> str:
    text = raw
    if "%" in raw:
        try:
            text = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise _ambiguous("a segment that is not UTF-8") from None
        if _FORBIDDEN.search(text):
            raise _ambiguous("an encoded slash, backslash, percent sign or control character")
    if text.partition(";")[0] in {".", ".."}:
        raise _ambiguous("a dot segment")
    return text


def _ambiguous(what: str) -> Refused:
    return refuse(
        "path_ambiguous",
        400,
        f"The path of this request has {what}, which servers read in different ways. Send the plain form.",
        "fix_request",
    )
