"""What is dead or frozen: one immutable snapshot, asked on every call and every piece of a stream."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from proxy.tasks.interfaces import Revocation

# Ended up to a moment, because whom it names may show themselves anew: a person who signs in again. Every other scope
# is ended until it is lifted: an agent that fetches itself a fresh token must not bring itself back, a handle, a token
# or a task is never given out twice, and what was obtained with one of them is younger than that, and ends with it.
_SINCE = "principal:"


class Epochs:
    """Revocations by scope. A scope is either revoked, and what is under it is dead, or frozen."""

    __slots__ = ("_by_scope", "_dead", "_frozen")

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_scope = {revocation.scope: revocation for revocation in revocations}
        self._dead = {scope: row for scope, row in self._by_scope.items() if row.kind != "freeze"}
        self._frozen = {scope: row for scope, row in self._by_scope.items() if row.kind == "freeze"}

    @property
    def by_scope(self) -> Mapping[str, Revocation]:
        """A read-only view of every revocation in force."""
        return MappingProxyType(self._by_scope)

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
        """A snapshot in which this is in force too. An older end is never moved back, and no end becomes a freeze."""
        known = self._by_scope.get(revocation.scope)
        if known is not None and not replaces(revocation, known):
            return self
        return Epochs((*self._by_scope.values(), revocation))

    def without(self, scope: str) -> "Epochs":
        """A snapshot in which this scope is lifted."""
        return Epochs(revocation for revocation in self._by_scope.values() if revocation.scope != scope)


def replaces(new: Revocation, known: Revocation) -> bool:
    """Whether `new` takes the place of what is known of the same scope: it is no weaker, and no older."""
    if new.kind != known.kind:
        return new.kind == "revoke"
    return not known.at > new.at


_UNSCOPED = Revocation("unscoped", float("inf"), "countersign", "a credential without revocation scopes")
