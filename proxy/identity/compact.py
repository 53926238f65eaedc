"""Reading a compact JWS in one way only, before anything in it is believed (RFC 7515 section 3.1, RFC 8725)."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.strict_json import loads

MAX_BYTES = 8192
_MAX_DEPTH = 16
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

# Headers that bring keys, change what is signed, or make it something else than a plain JWS.
_REFUSED_HEADERS = frozenset({"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc", "cty"})


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself. Nothing here is proven."""

    header: Mapping[str, Json]
    claims: Mapping[str, Json]
    payload: bytes
    algorithm: str
    typ: str
    key_id: str | None


def read(token: str) -> Unverified:
    """The token's parts, if every reader must agree on them; else a refusal."""
    if len(token) > MAX_BYTES:
        raise unproven("identity_invalid", "token_too_large")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise unproven("identity_invalid", "token_not_compact_jws")
    header = _object(_decode(match[1]), "header")
    payload = _decode(match[2])
    _decode(match[3])
    claims = _object(payload, "claims")
    if not _REFUSED_HEADERS.isdisjoint(header):
        raise unproven("identity_invalid", "token_header_refused")
    algorithm, typ, key_id = header.get("alg"), header.get("typ", ""), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(typ, str) or (typ == "" and "typ" in header):
        raise unproven("identity_invalid", "token_header_type")
    if key_id is not None and not (isinstance(key_id, str) and 0 < len(key_id) <= 256):
        raise unproven("identity_invalid", "token_key_id")
    if key_id is None and "kid" in header:
        raise unproven("identity_invalid", "token_key_id")
    return Unverified(header, claims, payload, algorithm, typ.lower().removeprefix("application/"), key_id)


def _decode(segment: str) -> bytes:
    """The bytes of unpadded base64url, whose unused last bits are zero: one text for one value."""
    if len(segment) % 4 == 1:
        raise unproven("identity_invalid", "token_base64")
    raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != segment:
        raise unproven("identity_invalid", "token_base64")
    return raw


def _object(data: bytes, part: str) -> dict[str, Json]:
    try:
        value = loads(data, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    except ValueError as error:
        raise unproven("identity_invalid", f"token_{part}_json: {error}") from error
    if not isinstance(value, dict):
        raise unproven("identity_invalid", f"token_{part}_not_an_object")
    return value
