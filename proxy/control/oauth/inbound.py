"""The chain that a subject token brings (`act`, RFC 8693 section 4.1): every level judged, none dropped."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.stages import HopLevel, Principal
from proxy.tasks.delegation import MAX_HOPS

_SUBJECT = re.compile(r"[\x21-\x7e]{1,2048}")
_NAMESPACE = re.compile(r"[\x21-\x7b\x7d\x7e]{1,512}")

type FindParty = Callable[[str, str], Principal | None]


@dataclass(frozen=True, slots=True)
class Through:
    """A party between the subject and whoever shows its token. `endorsed`: the issuer's word counts for it."""

    principal: Principal
    endorsed: bool


def chain_in(
    claims: Mapping[str, Json], issuer: str, endorses: frozenset[str], party: FindParty
) -> tuple[Through, ...]:
    """The actors of this token, the first one first. `invalid_request` if any level is not what it must be.

    An actor without `iss` is in the namespace of the token's issuer.
    """
    found: list[Through] = []
    level: Mapping[str, Json] | Json = claims
    while isinstance(level, Mapping) and "act" in level:
        level = level["act"]
        if len(found) == MAX_HOPS:
            raise OAuthMistake("invalid_request", f"a chain has at most {MAX_HOPS} hops")
        found.append(_party(level, issuer, endorses, party))
    return tuple(reversed(found))


def _party(level: Json, issuer: str, endorses: frozenset[str], party: FindParty) -> Through:
    if not isinstance(level, Mapping):
        raise OAuthMistake("invalid_request", "each level of `act` is an object")
    namespace, subject = level.get("iss", issuer), level.get("sub")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise OAuthMistake("invalid_request", "each level of `act` names somebody (`sub`)")
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise OAuthMistake("invalid_request", "the `iss` within `act` is no issuer")
    return Through(
        party(namespace, subject) or Principal("service", f"{namespace}|{subject}"),
        namespace in endorses,
    )


def hop_levels(through: tuple[Through, ...], own: HopLevel) -> tuple[HopLevel, ...]:
    """How each hop is proven: to each of these, and from the last one to the actor, whose hop is `own` without them.

    A hop is endorsed where the issuer's word counts for both ends; elsewhere asserted: written down, deciding nothing.
    """
    if not through:
        return (own,)
    levels: list[HopLevel] = []
    before = True  # the subject itself was verified
    for one in through:
        levels.append("endorsed" if before and one.endorsed else "asserted")
        before = one.endorsed
    return (*levels, "endorsed" if before else "asserted")
