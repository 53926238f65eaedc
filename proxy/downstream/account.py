"""What a receiving service is told of a call: the claims of a token as values, of which every shape is checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.downstream.profile import LEVELS, MAX_HOPS, Rejected

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_TEXT = 2048
_MAX_TEXTS = 32


@dataclass(frozen=True, slots=True)
class Hop:
    """The party that was handed the matter, and how that was proven: `verified`, or `endorsed` by an issuer."""

    to: str
    method: str
    level: str


@dataclass(frozen=True, slots=True)
class Account:
    """Who is behind this call, for whom, through whom, and why. Parties are `kind:id`, as in the audit log.

    `subject` is the root of the chain (a human, a business process), `actor` the agent that calls; they are the same
    if it acts for itself. `complete` False: what came before `subject` is not proven. `authn` is how the agent
    itself was recognised. `mode` `observe`: policy was only watching. `args_sha256` is the digest of the action as it
    stands in the audit log and in its approval; `body_sha256` that of the request's body. `partner` hosts the actor,
    where it is not our own. `auth_time`, `acr` and `amr` tell when and how the person at the root signed in, as far as
    that is known.
    """

    subject: str
    actor: str
    hops: tuple[Hop, ...]
    complete: bool
    authn: str
    owner: str
    task: str
    call: str
    tool: str
    scope: str
    decision: str
    mode: str
    policy: str
    approval: str
    destination: str
    method: str
    target_sha256: str
    body_sha256: str
    args_sha256: str
    transaction: str
    id: str
    issued_at: int
    expires_at: int
    partner: str = ""
    auth_time: int | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()

    @property
    def verified(self) -> bool:
        """Whether nothing of the chain is missing, and every hop was shown to Countersign itself."""
        return self.complete and all(hop.level == "verified" for hop in self.hops)

    def __str__(self) -> str:
        chain = [self.subject, *(f"{hop.to} ({hop.level}, {hop.method})" for hop in self.hops)]
        return ("" if self.complete else "... -> ") + " -> ".join(chain)


def account_of(claims: Mapping[str, Any], issuer: str) -> Account:
    """The account in these claims; `Rejected` if any of it has another shape than we mint, or contradicts the rest."""
    context, request = _part(claims, "tctx"), _part(claims, "rctx")
    actors = _actors(claims.get("act"), issuer)
    hops = _hops(context.get("chain"), _text(claims, "sub"), actors)
    complete = context.get("complete")
    if not isinstance(complete, bool):
        raise _invalid("tctx.complete")
    return Account(
        subject=_text(claims, "sub"),
        actor=hops[-1].to if hops else _text(claims, "sub"),
        hops=hops,
        complete=complete,
        authn=_text(request, "authn"),
        owner=_text(context, "owner"),
        task=_text(context, "task"),
        call=_text(context, "call"),
        tool=_text(context, "tool", ""),
        scope=_text(claims, "scope"),
        decision=_text(context, "decision"),
        mode=_text(context, "mode", "enforce"),
        policy=_text(context, "policy"),
        approval=_text(context, "approval", ""),
        destination=_text(request, "dst"),
        method=_text(request, "method"),
        target_sha256=_digest(request, "target_sha256"),
        body_sha256=_digest(request, "body_sha256"),
        args_sha256=_digest(context, "args_sha256"),
        transaction=_text(claims, "txn"),
        id=_text(claims, "jti"),
        issued_at=_seconds(claims, "iat"),
        expires_at=_seconds(claims, "exp"),
        partner=_text(context, "partner", ""),
        auth_time=_seconds(context, "auth_time") if "auth_time" in context else None,
        acr=_text(context, "acr", ""),
        amr=_texts(context, "amr"),
    )


def _actors(act: object, issuer: str) -> list[str]:
    """The actors of `act`, the first one first; each named by us, and no deeper than a chain may be."""
    found: list[str] = []
    while act is not None:
        if not isinstance(act, Mapping) or not set(act) <= {"iss", "sub", "sub_profile", "act"}:
            raise _invalid("act")
        if len(found) == MAX_HOPS or ("act" in act and act["act"] is None):
            raise _invalid("act")
        if act.get("iss") != issuer:
            raise _invalid("act.iss")
        _text(act, "sub_profile")
        found.append(_text(act, "sub"))
        act = act.get("act")
    return found[::-1]


def _hops(chain: object, subject: str, actors: list[str]) -> tuple[Hop, ...]:
    """The hops of `tctx.chain`, which must tell of the very parties that `sub` and `act` name."""
    if not isinstance(chain, list) or not chain or chain[0] != {"p": subject}:
        raise _invalid("tctx.chain")
    hops = []
    for entry in chain[1:]:
        if not isinstance(entry, Mapping) or set(entry) != {"p", "m", "s"}:
            raise _invalid("tctx.chain")
        hops.append(Hop(_text(entry, "p"), _text(entry, "m"), _text(entry, "s")))
    if any(hop.level not in LEVELS for hop in hops) or [hop.to for hop in hops] != actors:
        raise _invalid("tctx.chain")
    return tuple(hops)


def _part(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = claims.get(name)
    if not isinstance(part, Mapping):
        raise _invalid(name)
    return part


def _text(claims: Mapping[str, Any], name: str, absent: str | None = None) -> str:
    value = claims.get(name, absent)
    if value == absent == "":
        return ""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT:
        raise _invalid(name)
    return value


def _texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or len(value) > _MAX_TEXTS or not all(isinstance(one, str) for one in value):
        raise _invalid(name)
    return tuple(value)


def _digest(claims: Mapping[str, Any], name: str) -> str:
    value = _text(claims, name)
    if not _DIGEST.fullmatch(value):
        raise _invalid(name)
    return value


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise _invalid(name)
    return value


def _invalid(name: str) -> Rejected:
    return Rejected(
        "token_claims", f"`{name}` of the Txn-Token is missing, has another shape, or contradicts the rest."
    )
