"""Where a request points: authorities and paths that have one meaning only. The rest is refused, never mended."""

import ipaddress
import re
import unicodedata
from urllib.parse import unquote_to_bytes

from proxy.errors import Refused, refuse

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_NUMBERED = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")

_PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]+/)*(?:[A-Za-z0-9\-._~!$&'()*+,=:@]+)?")
_ESCAPED_PATH = re.compile(
    r"/(?:(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})+/)*(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*"
)
_DOT_SEGMENT = re.compile(r"/\.{1,2}(?:/|$)")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_DELIMITERS = frozenset(b"\\%;")
# At the edge of a segment, or beside another: what is left of the segment there would be empty.
_EDGE_SLASH = re.compile(r"(?:/|%2[Ff])%2[Ff]|%2[Ff](?:/|$)")
_ENCODED_SLASH = re.compile(r"%2[Ff]")
_QUERY = re.compile(r"[\x21-\x22\x24-\x7e]*")


def _bad_host(text: str) -> Refused:
    return refuse("host_invalid", 400, f"`{text[:200]}` does not name one host in one way.", "fix_request")


def read_authority(text: str, default_port: int | None) -> tuple[str, int]:
    """(host in lower case, port) of `host[:port]`; raises the refusal for spellings with two readings.

    Refused are user information, numeric hosts that are not dotted quads (`127.1`, `0x7f.1`, `2130706433`),
    IPv6 other than in its RFC 5952 form, a trailing dot, and a missing port if there is no default.
    """
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        raise _bad_host(text)
    port = int(match["port"]) if match["port"] else default_port
    if port is None or port > 65535:
        raise refuse("host_invalid", 400, f"`{text[:200]}` names no port between 1 and 65535.", "fix_request")
    return _host(match["host"].lower()), port


def _host(text: str) -> str:
    if text.startswith("["):
        inner = text[1:-1]
        try:
            address = ipaddress.IPv6Address(inner)
        except ValueError:
            raise _bad_host(text) from None
        if str(address) != inner or "." in inner:
            raise _bad_host(text)
        return inner
    if len(text) > 253 or _NAME.fullmatch(text) is None:
        raise _bad_host(text)
    if _NUMBERED.fullmatch(text.rpartition(".")[2]):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise _bad_host(text) from None
    return text


def read_path(target: str) -> tuple[str, str]:
    """(path, query) of an origin-form target; raises the refusal if a server could read the path otherwise.

    Refused are dot segments, empty segments, `;` parameters, backslashes, fragments, and percent-encodings of
    a backslash, a percent sign, a semicolon, a control byte or anything that needs no encoding. An encoded slash may
    stand within a segment, if no reader finds a dot segment or an empty one in it.

    INVARIANT: `proxy.protocols.paths` refuses an encoded slash, and `proxy.listener.outgoing` sends none, but to a
    service that takes them.
    """
    path, _, query = target.partition("?")
    if _QUERY.fullmatch(query) is None:
        raise _ambiguous("has a `#`")
    if _PLAIN_PATH.fullmatch(path) is None:
        if _ESCAPED_PATH.fullmatch(path) is None:
            raise _ambiguous("is not a sequence of non-empty, correctly encoded segments")
        _check_escapes(path)
        plain = _ENCODED_SLASH.sub("/", path)
        if plain != path and (_EDGE_SLASH.search(path) or _DOT_SEGMENT.search(plain)):
            raise _ambiguous("has an encoded slash beside nothing, or beside a `.` or `..`")
    if "/." in path and _DOT_SEGMENT.search(path):
        raise _ambiguous("has a `.` or `..` segment")
    return path, query


def _check_escapes(path: str) -> None:
    for digits in _ESCAPE.findall(path):
        byte = int(digits, 16)
        if byte in _UNRESERVED:
            raise _ambiguous(f"encodes `%{digits}`, which must not be encoded")
        if byte in _DELIMITERS or byte < 0x20 or byte == 0x7F:
            raise _ambiguous(f"encodes `%{digits}`, which servers read differently")
    try:
        text = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        raise _ambiguous("is not UTF-8 when decoded") from None
    # One by one: a normal form of all of them together takes quadratic time if they are marks on one letter.
    foreign = {unicodedata.normalize("NFKC", char) for char in set(text) if not char.isascii()}
    if not set("/\\.%;").isdisjoint("".join(foreign)):
        raise _ambiguous("has letters that some servers take for delimiters")


def _ambiguous(what: str) -> Refused:
    return refuse("path_ambiguous", 400, f"The request's path {what}, so it could be read in two ways.", "fix_request")
