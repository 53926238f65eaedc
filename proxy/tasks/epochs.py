"""What is dead or frozen: one immutable snapshot, asked on every call and every piece of a stream."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind

# Ended up to a moment, because whom it names may show themselves anew: a person who signs in again. Every other scope
# is ended until it is lifted: an agent that fetches itself a fresh token must not bring itself back, a handle, a token
# or a task is never given out twice, and what was obtained with one of them is younger than that, and ends with it.
_SINCE = "principal:"


class Epochs:
    """Revocations by scope. A scope may be ended, frozen, or both: each stands by itself until it is lifted.

    Who signs in again lives in spite of an end, and is still held by a freeze; so neither may take the other's place.
    """

    __slots__ = ("_dead", "_frozen")

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._dead: dict[str, Revocation] = {}
        self._frozen: dict[str, Revocation] = {}
        for row in revocations:
            (self._frozen if row.kind == "freeze" else self._dead)[row.scope] = row

    @property
    def ended(self) -> Mapping[str, Revocation]:
        """A read-only view of every end in force, by scope."""
        return MappingProxyType(self._dead)

    @property
    def rows(self) -> tuple[Revocation, ...]:
        """Everything in force, ends first."""
        return (*self._dead.values(), *self._frozen.values())

    def of(self, scope: str, kind: RevocationKind) -> Revocation | None:
        """The end, or the freeze, of exactly this scope."""
        return (self._frozen if kind == "freeze" else self._dead).get(scope)

    def dead(self, scopes: tuple[str, ...], issued_at: float) -> Revocation | None:
        """The first revocation that ends what was issued at `issued_at` under these scopes; None if it lives.

        Without scopes nothing could ever end it, so it counts as ended.
        """
        if not scopes:
            return _UNSCOPED
        if self._dead:
            for scope in scopes:
                revocation = self._dead.get(scope)
                if revocation is None:
                    continue
                if not issued_at > revocation.at or not scope.startswith(_SINCE):
                    return revocation
        return None

    def frozen(self, scopes: Iterable[str]) -> tuple[Revocation, ...]:
        """Every freeze of one of these scopes, whenever what is under them was issued."""
        if not self._frozen:
            return ()
        return tuple(row for scope in scopes if (row := self._frozen.get(scope)) is not None)

    def with_revocation(self, revocation: Revocation) -> "Epochs":
        """A snapshot in which this is in force too. No end is moved back in time, and none touches a freeze."""
        if not replaces(revocation, self.of(revocation.scope, revocation.kind)):
            return self
        return Epochs((*self.rows, revocation))

    def without(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> "Epochs":
        """A snapshot in which what is of these kinds is lifted from this scope."""
        return Epochs(row for row in self.rows if row.scope != scope or row.kind not in kinds)


def replaces(new: Revocation, known: Revocation | None) -> bool:
    """Whether `new` takes the place of what is known of the same scope and kind: it is no older."""
    return known is None or not known.at > new.at


_UNSCOPED = Revocation("unscoped", float("inf"), "countersign", "a credential without revocation scopes")
