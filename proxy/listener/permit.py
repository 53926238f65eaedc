"""The second gate: what has been released may be connected to and sent, and nothing else."""

from dataclasses import dataclass

from proxy.stages import Destination, Released


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """One released call and its place. Compared by identity: a copy is not a permit."""

    released: Released
    destination: Destination


class Permits:
    """The permits of one agent connection that are in force: from a call's release to its end."""

    def __init__(self) -> None:
        self._valid: set[Permit] = set()

    def add(self, permit: Permit) -> None:
        if not isinstance(permit.released, Released):
            raise TypeError("only a released call can be permitted")
        self._valid.add(permit)

    def discard(self, permit: Permit) -> None:
        self._valid.discard(permit)

    def clear(self) -> None:
        self._valid.clear()

    def allows(self, permit: Permit, destination: Destination) -> bool:
        """Whether this very permit is in force, and for this very place."""
        return permit in self._valid and permit.destination == destination
