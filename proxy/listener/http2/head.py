"""Reads one block of HTTP/2 fields strictly, as the head that the same request would have in HTTP/1.1.

The rules of RFC 9113 section 8, without the latitude that they leave: all four pseudo-fields of a request, each once
and first, `host` only if it repeats `:authority`, and values of the same bytes that are taken in HTTP/1.1.
"""

import re
from collections.abc import Sequence

from proxy.errors import Refused, refuse
from proxy.listener.head import RequestHead, malformed

VERSION = "HTTP/2"

_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path"})
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_WORD = re.compile(rb"[\x21-\x7e]+")


def read_stream_head(block: Sequence[tuple[bytes, bytes]], scheme: str, max_bytes: int, max_count: int) -> RequestHead:
    """The head in this block; raises the refusal if it is not exactly one request for this scheme."""
    if sum(len(name) + len(value) + 4 for name, value in block) > max_bytes:
        raise refuse("header_too_large", 431, f"The request's head is larger than {max_bytes} bytes.", "fix_request")
    pseudo: dict[bytes, str] = {}
    fields: list[tuple[str, str]] = []
    for name, value in block:
        if name[:1] == b":":
            if fields or name in pseudo or _WORD.fullmatch(value) is None:
                raise _malformed()
            pseudo[name] = value.decode("ascii")
        elif _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise _malformed()
        else:
            fields.append((name.decode("ascii"), value.decode("ascii")))
    if pseudo.keys() != _PSEUDO or pseudo[b":scheme"] != scheme:
        raise _malformed()
    if len(fields) > max_count:
        raise refuse("header_too_large", 431, f"The request has more than {max_count} header fields.", "fix_request")
    authority = pseudo[b":authority"]
    hosts = [value for name, value in fields if name == "host"]
    if hosts:
        if hosts != [authority]:
            raise refuse("host_mismatch", 421, "`Host` and `:authority` must name the same place.", "fix_request")
        fields = [field for field in fields if field[0] != "host"]
    return RequestHead(pseudo[b":method"], pseudo[b":path"], VERSION, (("host", authority), *fields))


def _malformed() -> Refused:
    return malformed("The request's head is not well-formed HTTP/2.")
