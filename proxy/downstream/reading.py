"""Reading a transaction token in one way only, before anything in it is believed (RFC 7515, RFC 8725)."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.profile import ALGORITHM, MAX_BYTES, TYP, Rejected

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself. Nothing here is proven."""

    key_id: str
    claims: Mapping[str, Any]
    payload: bytes


def read(token: str) -> Unverified:
    """The token's parts, if every reader must agree on them and it says to be one of ours; else `Rejected`."""
    if len(token) > MAX_BYTES:
        raise Rejected("token_too_large", f"A Txn-Token has at most {MAX_BYTES} bytes.")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise malformed()
    header, payload = _object(_decode(match[1])), _decode(match[2])
    _decode(match[3])
    if header.get("alg") != ALGORITHM:
        raise Rejected("token_algorithm", f"A Txn-Token is signed with {ALGORITHM}, and nothing else.")
    if header.get("typ") != TYP:
        raise Rejected("token_type", f"The type of a Txn-Token is {TYP}.")
    key_id = header.get("kid")
    if set(header) != {"alg", "typ", "kid"} or not isinstance(key_id, str) or not 0 < len(key_id) <= 128:
        raise malformed()
    return Unverified(key_id, _object(payload), payload)


def malformed() -> Rejected:
    """For what is no token of ours, whatever else it may be."""
    return Rejected("token_malformed", "The Txn-Token cannot be read as exactly one signed token.")


def _decode(segment: str) -> bytes:
    """The bytes of unpadded base64url, whose unused last bits are zero: one text for one value."""
    if len(segment) % 4 == 1:
        raise malformed()
    raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != segment:
        raise malformed()
    return raw


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError) as error:
        raise malformed() from error
    if not isinstance(value, dict) or _depth(value) > _MAX_DEPTH:
        raise malformed()
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _refuse(text: str) -> float:
    raise ValueError(f"`{text}` is not a whole number")


def _depth(value: object) -> int:
    """How deep this is nested, without recursion, since it may be deeper than that allows."""
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [each for each in level if isinstance(each, dict | list)]
        level = [part for each in inner for part in (each.values() if isinstance(each, dict) else each)]
    return depth
