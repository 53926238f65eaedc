"""Stores in memory, for tests. They pass the same conformance suites as the real ones."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from proxy.errors import StoreUnavailable
from proxy.identity.interfaces import EVERY_HANDLE, HandleQuery, HandleRow
from proxy.tasks.interfaces import KINDS, Counts, Revocation, RevocationKind


@dataclass
class MemoryHandleStore:
    """Handles in a dictionary. Set `failing` to make every method raise `StoreUnavailable`."""

    rows: dict[str, HandleRow] = field(default_factory=dict)
    failing: bool = False
    reads: int = 0

    def _check(self) -> None:
        if self.failing:
            raise StoreUnavailable("the store is down")

    async def add_handle(self, row: HandleRow) -> None:
        self._check()
        if row.id in self.rows or any(known.digest == row.digest for known in self.rows.values()):
            raise StoreUnavailable("this handle is stored already")
        self.rows[row.id] = row

    async def handle_by_digest(self, digest: str) -> HandleRow | None:
        self._check()
        self.reads += 1
        return next((row for row in self.rows.values() if row.digest == digest), None)

    async def handle_by_id(self, handle_id: str) -> HandleRow | None:
        self._check()
        return self.rows.get(handle_id)

    async def list_handles(self, query: HandleQuery = EVERY_HANDLE) -> list[HandleRow]:
        self._check()
        rows = [
            row
            for row in self.rows.values()
            if (query.agents is None or row.agent in query.agents)
            and (query.task is None or row.task == query.task)
            and (query.live_at is None or (query.live_at < row.not_after and row.revoked_at is None))
            and (query.before is None or (row.issued_at, row.id) < query.before)
        ]
        return sorted(rows, key=lambda row: (row.issued_at, row.id), reverse=True)[: query.limit]

    async def agents_of_handles(self, handle_ids: Collection[str]) -> dict[str, str]:
        self._check()
        return {row.id: row.agent for row in self.rows.values() if row.id in handle_ids}

    async def agents_under(self, tasks: Collection[str]) -> dict[str, frozenset[str]]:
        self._check()
        named = {row.task for row in self.rows.values() if row.task in tasks}
        return {task: frozenset(row.agent for row in self.rows.values() if row.task == task) for task in named}

    async def revoke_handle(self, handle_id: str, at: float, by: str, reason: str) -> bool:
        self._check()
        row = self.rows.get(handle_id)
        if row is None or row.revoked_at is not None:
            return False
        self.rows[handle_id] = replace(row, revoked_at=at, revoked_by=by, revoked_reason=reason)
        return True


@dataclass
class MemoryBundleStore:
    """Bundles in a dictionary. Set `failing` to make every method raise `StoreUnavailable`."""

    rows: dict[tuple[str, int], tuple[int | None, bytes]] = field(default_factory=dict)
    failing: bool = False

    def _check(self) -> None:
        if self.failing:
            raise StoreUnavailable("the store is down")

    async def keep_bundle(
        self, trust_domain: str, generation: int, sequence: int | None, body: bytes, at: float
    ) -> bool:
        self._check()
        last = self.rows.get((trust_domain, generation), (None, b""))[0]
        if last is not None and (sequence is None or sequence < last):
            return False
        self.rows[trust_domain, generation] = sequence, body
        return True

    async def last_bundle(self, trust_domain: str, generation: int) -> bytes | None:
        self._check()
        return self.rows.get((trust_domain, generation), (None, None))[1]


@dataclass
class MemoryRevocationStore:
    """Revocations in a dictionary. `before_rows` runs just before rows are read, to play another process.

    `others` are commits of anything else; `reads` counts how often all rows were read.
    """

    by_kind: dict[tuple[str, RevocationKind], Revocation] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    put_at: dict[tuple[str, RevocationKind], int] = field(default_factory=dict)
    others: int = 0
    reads: int = 0
    failing: bool = False
    before_rows: Callable[[], None] | None = None

    @property
    def rows(self) -> dict[str, Revocation]:
        """By scope, where each has one row."""
        rows = {row.scope: row for row in self.by_kind.values()}
        assert len(rows) == len(self.by_kind), "a scope is ended and frozen"
        return rows

    def _check(self) -> None:
        if self.failing:
            raise StoreUnavailable("the store is down")

    async def put_revocation(self, revocation: Revocation) -> None:
        self._check()
        key = (revocation.scope, revocation.kind)
        known = self.by_kind.get(key)
        at = max(revocation.at, known.at) if known is not None else revocation.at
        self.by_kind[key] = replace(revocation, at=at)
        self.changes.append(revocation.scope)
        self.put_at[key] = len(self.changes)

    async def lift_revocation(self, scope: str, kinds: Collection[RevocationKind] = KINDS) -> bool:
        self._check()
        self.changes.append(scope)
        return len([self.by_kind.pop((scope, kind)) for kind in kinds if (scope, kind) in self.by_kind]) > 0

    async def forget_revocations(self, revocations: Sequence[Revocation]) -> int:
        self._check()
        gone = [one for one in revocations if self.by_kind.get((one.scope, one.kind)) == one]
        for one in gone:
            del self.by_kind[one.scope, one.kind]
        self.changes += [one.scope for one in gone]
        return len(gone)

    async def all_revocations(self) -> list[Revocation]:
        self._check()
        self.reads += 1
        rows = list(self.by_kind.values())
        if self.before_rows is not None:
            act, self.before_rows = self.before_rows, None
            act()
        return rows

    async def revocations_put(self, after: int, up_to: int) -> list[Revocation]:
        self._check()
        rows = [row for key, row in self.by_kind.items() if after < self.put_at.get(key, 0) <= up_to]
        if self.before_rows is not None:
            act, self.before_rows = self.before_rows, None
            act()
        return rows

    async def change_token(self) -> int:
        self._check()
        return len(self.changes) + self.others

    async def counts(self) -> Counts:
        self._check()
        return Counts(1, len(self.changes), 0)
