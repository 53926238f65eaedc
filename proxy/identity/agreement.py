"""Several pieces of valid evidence as one: they must mean the same agent, and each shortens what the others give."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from proxy.identity.challenges import unproven
from proxy.identity.methods import HANDLE, OURS, PEER, TASK_TOKEN, X509_SVID
from proxy.stages import Proven

# Which piece gives the task and the method: the one that is of a task, then the one that is hardest to steal.
_RANKS = {HANDLE: 0, TASK_TOKEN: 0, X509_SVID: 1, PEER: 3}
_OTHER = 2


def agreed(pieces: Sequence[Proven]) -> Proven:
    """All of them together, with the shortest life and the scopes of all; a refusal if two contradict each other."""
    for first, second in combinations(pieces, 2):
        _require_agreement(first, second)
    primary = min(pieces, key=lambda piece: _RANKS.get(piece.method, _OTHER))
    if len(pieces) == 1:
        return primary
    # Issuer, subject, client and instance belong together, so they are taken from one piece: that which says the most.
    naming = max(pieces, key=lambda piece: (bool(piece.instance), bool(piece.issuer), piece is primary))
    ordered = [primary, *pieces]
    return replace(
        primary,
        issued_at=min(piece.issued_at for piece in pieces),
        not_after=min(piece.not_after for piece in pieces),
        made_at=min((piece.made_at for piece in pieces if piece.made_at), default=0.0),
        scopes=tuple(dict.fromkeys(scope for piece in ordered for scope in piece.scopes)),
        keys=tuple(dict.fromkeys(key for piece in ordered for key in piece.keys)),
        issuer=naming.issuer,
        subject=naming.subject,
        instance=naming.instance,
        client=naming.client,
    )


def _require_agreement(first: Proven, second: Proven) -> None:
    if first.agent != second.agent:
        raise unproven("identity_conflict", f"evidence for {first.agent} and for {second.agent}")
    of_tasks = first.method in OURS and second.method in OURS
    if of_tasks and (first.task, first.on_behalf_of) != (second.task, second.on_behalf_of):
        raise unproven("identity_conflict", f"credentials of {first.agent} for different tasks or people")
    if first.issuer == second.issuer and first.subject != second.subject:
        raise unproven("identity_conflict", f"two subjects of {first.agent}")
    if first.instance and second.instance and first.instance != second.instance:
        raise unproven("identity_conflict", f"two instances of {first.agent}")
