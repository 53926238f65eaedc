"""Which obtained credentials are of no use any more: each fact is looked up once for many of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from proxy.endings import today
from proxy.facts import Inventory
from proxy.inventory.ownership import answered_for
from proxy.stages import Identity
from proxy.tasks.epochs import Epochs

_DAY = 86_400.0

type Stands = Callable[[Identity, Inventory, float], bool]
type Clock = Callable[[], float]


@dataclass(slots=True)
class _Judged:
    """Who stands by one inventory on one day. The identities are kept, so that no other one has their number.

    `bindings` are those of services that somebody answers for; nothing else is used of what was obtained.
    """

    inventory: Inventory
    day: int
    bindings: frozenset[str]
    known: dict[int, tuple[Identity, bool]] = field(default_factory=dict)


class Ended:
    """Judges what is held: revoked or gone, or of a binding or a service that is ended, gone, or nobody's.

    Asked every second for all that is held, on the loop that serves calls: who stands by the inventory is judged when
    that changes or a day begins, and what is ended is gone through once.
    """

    def __init__(
        self,
        epochs: Callable[[], Epochs],
        stands: Stands,
        inventory: Callable[[], Inventory],
        clock: Callable[[], float],
    ) -> None:
        self._epochs = epochs
        self._stands = stands
        self._inventory = inventory
        self._clock = clock
        self._judged: _Judged | None = None

    def now(self) -> Callable[[Identity, str], bool]:
        """Whether what was obtained for this identity, under this binding, has ended; by the facts of this moment."""
        epochs, inventory, now = self._epochs(), self._inventory(), self._clock()
        bindings = _ended_bindings(epochs, inventory)
        before, day = self._judged, int(now // _DAY)
        if before is None or before.inventory is not inventory or before.day != day:
            before = _Judged(inventory, day, _answered_bindings(inventory, today(now)))
        # of those that are asked for only: it does not grow
        judged = self._judged = _Judged(inventory, day, before.bindings)

        def stands(identity: Identity) -> bool:
            found = judged.known.get(id(identity)) or before.known.get(id(identity))
            if found is None:
                found = (identity, self._stands(identity, inventory, now))
            judged.known[id(identity)] = found
            return found[1]

        def ended(identity: Identity, binding: str) -> bool:
            over = binding in bindings or binding not in judged.bindings
            dead = over or epochs.dead(identity.scopes, identity.proven.issued_at) is not None
            return dead or not stands(identity)

        return ended


def _answered_bindings(inventory: Inventory, day: date) -> frozenset[str]:
    services = (one for one in inventory.services.values() if answered_for(one, inventory, day).ok)
    return frozenset(binding.id for service in services for binding in service.bindings)


def _ended_bindings(epochs: Epochs, inventory: Inventory) -> frozenset[str]:
    """Those that a person ended, and those of services that a person ended."""
    ended: set[str] = set()
    for scope in epochs.ended:
        kind, _, name = scope.partition(":")
        if kind == "credential":
            ended.add(name)
        elif kind == "service" and name in inventory.services:
            ended.update(binding.id for binding in inventory.services[name].bindings)
    return frozenset(ended)
