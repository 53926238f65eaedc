"""A delegation as a person reads it: each party, how well the step to it is proven, and by what."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.model import Json
from proxy.tasks.delegation import Delegation


@dataclass(frozen=True, slots=True)
class Party:
    """`level` and `method` are of the step that led here; the first party was led to by nobody."""

    kind: str
    id: str
    level: str = ""
    method: str = ""


def of_delegation(delegation: Delegation) -> list[Party]:
    """The parties of a task's own chain; asserted hops are among them, and called so."""
    root = delegation.root
    steps = [
        Party(link.delegate.kind, link.delegate.id, link.proof.level, link.proof.method) for link in delegation.links
    ]
    return [Party(root.kind, root.id), *steps]


def of_record(chain: Json, levels: Json, methods: Json) -> list[Party]:
    """The parties that a call's record names as `kind:id`; what an older record leaves out stays empty."""
    if not isinstance(chain, list):
        return []
    named = [str(member).partition(":") for member in chain]
    return [Party(kind, name, _at(levels, place), _at(methods, place)) for place, (kind, _, name) in enumerate(named)]


def of_card(chain: Json) -> list[Party]:
    """The parties on a held call's card; what an older card leaves out stays empty."""
    members = [member for member in chain if isinstance(member, dict)] if isinstance(chain, list) else []
    return [Party(*(str(member.get(part) or "") for part in ("kind", "id", "level", "method"))) for member in members]


def _at(steps: Json, place: int) -> str:
    """What is said of the step to the party at this place; there is none to the first."""
    known: Sequence[Json] = steps if isinstance(steps, list) else ()
    return str(known[place - 1]) if 0 < place <= len(known) else ""
