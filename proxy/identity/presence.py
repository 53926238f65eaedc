"""What a person's token tells of their sign-in (OpenID Connect Core section 2, RFC 8176, RFC 9068 section 2.2.1)."""

import re
from collections.abc import Mapping

from policies.model import Json
from proxy.identity.challenges import unproven
from proxy.identity.claims import seconds
from proxy.stages import Presence

_MOST = 16
_TEXT = re.compile(r"[\x20-\x7e]{1,255}")


def presence_of(claims: Mapping[str, Json], leeway: int) -> Presence | None:
    """When and how the person signed in, as the token says; None if it says nothing. Refuses what is no such claim.

    Nobody signed in after their token was issued.
    """
    if claims.keys().isdisjoint({"auth_time", "acr", "amr"}):
        return None
    at = seconds(claims, "auth_time") if "auth_time" in claims else None
    if at is not None and at > seconds(claims, "iat") + leeway:
        raise unproven("identity_invalid", "token_auth_time")
    acr, amr = claims.get("acr", ""), claims.get("amr", [])
    if "acr" in claims and not _is_text(acr):
        raise unproven("identity_invalid", "token_claim_type: acr")
    if not isinstance(amr, list) or len(amr) > _MOST or not all(_is_text(one) for one in amr):
        raise unproven("identity_invalid", "token_claim_type: amr")
    return Presence(at, str(acr), tuple(dict.fromkeys(map(str, amr))))


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and _TEXT.fullmatch(value) is not None
