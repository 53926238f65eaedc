"""Reads the head of a message strictly: one grammar, and whatever does not match it is refused.

No folding, no bare CR or LF, no control bytes, no space around field names, no bytes above 0x7E in a
request (RFC 9112 sections 2 to 5; the latitude which they leave to recipients is not used).
"""

import re
from dataclasses import dataclass

from proxy.errors import Refused, refuse

type Fields = tuple[tuple[str, str], ...]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELDS = rb"(?:" + _TOKEN + rb":[\t\x20-\x7e]*\r\n)*\r\n"
_REQUEST = re.compile(_TOKEN + rb" [\x21-\x7e]+ HTTP/[0-9]\.[0-9]\r\n" + _FIELDS)
_RESPONSE = re.compile(
    rb"HTTP/1\.[01] [1-9][0-9][0-9](?: [\t\x20-\x7e\x80-\xff]*)?\r\n"
    rb"(?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n"
)
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's first line and fields, as they stood. Names are lower case, values stripped."""

    method: str
    target: str
    version: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """A response's first line and fields, read as latin-1. Names are lower case, values stripped."""

    version: str
    status: int
    reason: str
    fields: Fields


class UpstreamFault(Exception):
    """The upstream said something that cannot be understood in one way only, or nothing at all."""


def read_request_head(raw: bytes, max_count: int) -> RequestHead:
    """The head in `raw`, which ends with an empty line; raises the refusal if it can be read in two ways."""
    if _REQUEST.fullmatch(raw) is None:
        raise malformed("The request's head is not well-formed HTTP/1.1.")
    lines = raw[:-4].decode("ascii").split("\r\n")
    if len(lines) - 1 > max_count:
        raise refuse("header_too_large", 431, f"The request has more than {max_count} header fields.", "fix_request")
    method, target, version = lines[0].split(" ")
    if version not in {"HTTP/1.1", "HTTP/1.0"}:
        raise refuse("version_not_supported", 505, f"{version} is not spoken here; use HTTP/1.1.", "fix_request")
    return RequestHead(method, target, version, _fields(lines))


def read_response_head(raw: bytes, max_count: int) -> ResponseHead:
    """The head in `raw`, which ends with an empty line; raises UpstreamFault if it is not well-formed."""
    if _RESPONSE.fullmatch(raw) is None:
        raise UpstreamFault("malformed response head")
    lines = raw[:-4].decode("latin-1").split("\r\n")
    if len(lines) - 1 > max_count:
        raise UpstreamFault("too many response header fields")
    version, status, *reason = lines[0].split(" ", 2)
    return ResponseHead(version, int(status), reason[0] if reason else "", _fields(lines))


def hopeless(raw: bytes) -> bool:
    """Whether no further bytes can make a well-formed head of these: no need to wait for them."""
    return not 0x41 <= raw[0] <= 0x5A or b"\0" in raw or _BARE_LINE_FEED.search(raw) is not None


def well_formed_request(raw: bytes) -> bool:
    """Whether a head that we wrote ourselves is one that we would accept."""
    return _REQUEST.fullmatch(raw) is not None


def malformed(detail: str) -> Refused:
    return refuse("malformed_request", 400, detail, "fix_request")


def _fields(lines: list[str]) -> Fields:
    fields = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        fields.append((name.lower(), value.strip(" \t")))
    return tuple(fields)
