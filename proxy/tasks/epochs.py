"""What is dead by revocation: one immutable snapshot, asked on every call and every piece of a stream."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from proxy.tasks.interfaces import Revocation


class Epochs:
    """Revocations by scope. A frozen scope counts as dead too: nothing under it may go on."""

    __slots__ = ("_by_scope",)

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_scope = {revocation.scope: revocation for revocation in revocations}

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
        if self._by_scope:
            for scope in scopes:
                revocation = self._by_scope.get(scope)
                if revocation is not None and not issued_at > revocation.at:
                    return revocation
        return None

    def with_revocation(self, revocation: Revocation) -> "Epochs":
        """A snapshot in which this is revoked too. An older end of the same scope is never moved back."""
        known = self._by_scope.get(revocation.scope)
        if known is not None and known.at > revocation.at:
            return self
        return Epochs((*self._by_scope.values(), revocation))

    def without(self, scope: str) -> "Epochs":
        """A snapshot in which this scope is lifted."""
        return Epochs(revocation for revocation in self._by_scope.values() if revocation.scope != scope)


_UNSCOPED = Revocation("unscoped", float("inf"), "countersign", "a credential without revocation scopes")
