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
_FORBIDDEN = re.compile(r"[\\%\x00-\x1f\x7f-\x9f]")


def segments(path: str, *, slashes: bool = False) -> tuple[str, ...]:
    """The path's segments, each decoded once; refused if readers could find others in it.

    A final slash gives a last, empty segment. `/` alone has none. With `slashes`, a segment may hold slashes that were
    encoded: no reader may find an empty or a dot segment between them.
    """
    return _segments(path, slashes and "%2" in path)


@lru_cache(maxsize=1024)
def _segments(path: str, slashes: bool) -> tuple[str, ...]:  # noqa: FBT001 - a key
    if path == "/":
        return ()
    if not _RAW.fullmatch(path):
        raise _ambiguous("a character that must be percent-encoded")
    if _NEEDLESS.search(path):
        raise _ambiguous("a percent-encoded letter, digit, `-`, `.` or `_`")
    raw = path.split("/")[1:]
    if "" in raw[:-1]:
        raise _ambiguous("an empty segment")
    return tuple([_decoded(segment, slashes=slashes) for segment in raw])


def split_at_slashes(found: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader that decodes before it splits would find instead of these segments."""
    return tuple([part for segment in found for part in segment.split("/")])


def with_slashes_encoded(found: tuple[str, ...]) -> str:
    """The path of these segments, in which a slash within one of them cannot be taken for one between two."""
    path = "/" + "/".join(found)
    if path.count("/") <= len(found) or not found:
        return path
    return "/" + "/".join([segment.replace("/", "%2F") for segment in found])


def _decoded(raw: str, *, slashes: bool) -> str:
    text = raw
    if "%" in raw:
        try:
            text = unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise _ambiguous("a segment that is not UTF-8") from None
        if _FORBIDDEN.search(text):
            raise _ambiguous("an encoded backslash, percent sign or control character")
    parts = text.split("/")
    if len(parts) > 1 and not (slashes and all(parts)):
        raise _ambiguous("an encoded slash")
    if any(part.partition(";")[0] in {".", ".."} for part in parts):
        raise _ambiguous("a dot segment")
    return text


def _ambiguous(what: str) -> Refused:
    return refuse(
        "path_ambiguous",
        400,
        f"The path of this request has {what}, which servers read in different ways. Send the plain form.",
        "fix_request",
    )
