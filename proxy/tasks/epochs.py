"""What is dead or frozen: one immutable snapshot, asked on every call and every piece of a stream."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType

from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind

# Ended up to a moment, because whom it names may show themselves anew: a person who signs in again. Every other scope
# is ended until it is lifted: an agent that fetches itself a fresh token must not bring itself back, a handle, a token
# or a task is never given out twice, and what was obtained with one of them is younger than that, and ends with it.
_SINCE = "principal:"

type Place = tuple[float, str, str]
type _Rows = Mapping[str, Revocation]

FIRST: Place = (float("-inf"), "", "")
_NONE: _Rows = MappingProxyType({})


class Epochs:
    """Revocations by scope. A scope may be ended, frozen, or both: each stands by itself until it is lifted.

    Who signs in again lives in spite of an end, and is still held by a freeze; so neither may take the other's place.
    """

    __slots__ = ("_dead", "_frozen", "_latest_first")

    def __init__(self, revocations: Iterable[Revocation] = (), dead: _Rows = _NONE, frozen: _Rows = _NONE) -> None:
        """These, beside what is dead and frozen already; of two of one scope and kind the later one."""
        self._dead, self._frozen = {**dead}, {**frozen}
        for row in revocations:
            if replaces(row, self.of(row.scope, row.kind)):
                (self._frozen if row.kind == "freeze" else self._dead)[row.scope] = row
        self._latest_first: tuple[Revocation, ...] | None = None

    @property
    def ended(self) -> Mapping[str, Revocation]:
        """A read-only view of every end in force, by scope."""
        return MappingProxyType(self._dead)

    @property
    def rows(self) -> tuple[Revocation, ...]:
        """Everything in force, ends first."""
        return (*self._dead.values(), *self._frozen.values())

    @property
    def latest_first(self) -> tuple[Revocation, ...]:
        """Everything in force in the order of `place_of`, made once: a house may have a hundred thousand."""
        if self._latest_first is None:
            self._latest_first = tuple(sorted(self.rows, key=place_of))
        return self._latest_first

    def after(self, place: Place) -> Iterator[Revocation]:
        """What is in force and comes behind this place, the latest first."""
        rows = self.latest_first
        return islice(rows, bisect_right(rows, place, key=place_of), None)

    def since(self, before: "Epochs") -> list[Revocation]:
        """What is in force here and was not there, or not so; ends first."""
        new: list[Revocation] = []
        if before is not self:
            for rows, known in ((self._dead, before._dead), (self._frozen, before._frozen)):  # noqa: SLF001 - one of us
                new += [row for scope, row in rows.items() if (old := known.get(scope)) is not row and old != row]
        return new

    def of(self, scope: str, kind: RevocationKind) -> Revocation | None:
        """The end, or the freeze, of exactly this scope."""
        return (self._frozen if kind == "freeze" else self._dead).get(scope)

    def standing(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> tuple[Revocation, ...]:
        """What is in force of exactly this scope: the end, the freeze, or both."""
        return tuple(row for kind in kinds if (row := self.of(scope, kind)) is not None)

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
        return self.with_all([revocation])

    def with_all(self, revocations: Iterable[Revocation]) -> "Epochs":
        """A snapshot in which all of these are in force too."""
        new = [one for one in revocations if replaces(one, self.of(one.scope, one.kind))]
        return Epochs(new, self._dead, self._frozen) if new else self

    def without(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> "Epochs":
        """A snapshot in which what is of these kinds is lifted from this scope."""
        dead, frozen = {**self._dead}, {**self._frozen}
        for kind in kinds:
            (frozen if kind == "freeze" else dead).pop(scope, None)
        return Epochs((), dead, frozen)


def place_of(revocation: Revocation) -> Place:
    """Where it stands among all, the latest first: no two have the same place."""
    return -revocation.at, revocation.scope, revocation.kind


def replaces(new: Revocation, known: Revocation | None) -> bool:
    """Whether `new` takes the place of what is known of the same scope and kind: it is no older."""
    return known is None or not known.at > new.at


_UNSCOPED = Revocation("unscoped", float("inf"), "countersign", "a credential without revocation scopes")
