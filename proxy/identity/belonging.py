"""What was shown must be its party's by the inventory of now: an identity, or a client's key, that is taken out of it
ends what it proved, and what was obtained with it."""

from collections.abc import Iterable

from proxy.errors import Refused, refuse
from proxy.identity.lineage import keys_of_clients
from proxy.identity.subjects import Subjects
from proxy.stages import Proven

_PRINCIPAL = "principal:"


def require_belonging(proven: Proven, subjects: Subjects) -> None:
    """Refuses unless what was shown is still this agent's, and what is behind that still somebody's."""
    if proven.issuer:
        match = subjects.find(proven.issuer, proven.subject)
        demanded = subjects.client(proven.issuer, proven.subject)
        if match is None or match.agent != proven.agent or demanded not in {None, proven.client}:
            raise _taken_away(f"{proven.issuer}|{proven.subject}")
    _require_known(proven.scopes, subjects)
    for client, name in keys_of_clients(proven.scopes):
        if name not in subjects.keys_of(client):
            raise _taken_away(f"key {name} of {client}")


def _require_known(scopes: Iterable[str], subjects: Subjects) -> None:
    for scope in scopes:
        issuer, foreign, subject = scope.removeprefix(_PRINCIPAL).partition("|")
        if foreign and scope.startswith(_PRINCIPAL) and subjects.party(issuer, subject) is None:
            raise _taken_away(f"{issuer}|{subject}")


def _taken_away(internal: str) -> Refused:
    return refuse(
        "identity_revoked",
        403,
        "What this credential shows, or what it was obtained with, is no longer in the inventory. Get a new one.",
        internal=internal,
    )
