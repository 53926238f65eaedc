"""What identity needs from a store."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HandleRow:
    """A connection handle as stored: `digest` is SHA-256 (hex) of the handle, which is not kept.

    Times are UNIX seconds. `issued_by` is who asked for it (`operator:uid=1000`, `person:alice`).
    """

    id: str
    digest: str
    agent: str
    task: str
    purpose: str
    on_behalf_of: str | None
    issued_at: float
    not_after: float
    issued_by: str
    revoked_at: float | None = None
    revoked_by: str = ""
    revoked_reason: str = ""


@dataclass(frozen=True, slots=True)
class HandleQuery:
    """Which handles are asked for, the newest first: of these agents, of this task, live at a time, if given.

    `before` is the `issued_at` and the id of the last row that was seen. Never more than `limit`: most are long dead.
    """

    agents: Collection[str] | None = None
    task: str | None = None
    live_at: float | None = None
    before: tuple[float, str] | None = None
    limit: int = 200


EVERY_HANDLE = HandleQuery()


class HandleStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def add_handle(self, row: HandleRow) -> None: ...

    async def handle_by_digest(self, digest: str) -> HandleRow | None: ...

    async def handle_by_id(self, handle_id: str) -> HandleRow | None: ...

    async def list_handles(self, query: HandleQuery = EVERY_HANDLE) -> list[HandleRow]: ...

    async def agents_of_handles(self, handle_ids: Collection[str]) -> dict[str, str]:
        """The agent of each; one that is unknown is not in the answer."""
        ...

    async def agents_under(self, tasks: Collection[str]) -> dict[str, frozenset[str]]:
        """The agents for which handles were ever issued under each task; one without a handle is not in the answer."""
        ...

    async def revoke_handle(self, handle_id: str, at: float, by: str, reason: str) -> bool:
        """True if it was live and is now revoked; False if unknown or already revoked."""
        ...


class ReplayStore(Protocol):
    """What may be used once. Raises `StoreUnavailable` when the store cannot answer."""

    async def use_once(self, key: str, until: float, now: float) -> bool:
        """True for the first caller of anywhere, durably; False for every other one before `until`."""
        ...

    async def was_used(self, key: str, now: float) -> bool:
        """Whether somebody used this already, and it is before its `until`."""
        ...


class BundleStore(Protocol):
    """The last bundle of each trust domain, in each generation. Raises `StoreUnavailable` when it cannot answer."""

    async def keep_bundle(
        self, trust_domain: str, generation: int, sequence: int | None, body: bytes, at: float
    ) -> bool:
        """True if this is now, durably, the last one; False if one with a higher sequence was, or any with one."""
        ...

    async def last_bundle(self, trust_domain: str, generation: int) -> bytes | None:
        """Its document; None if there never was one."""
        ...
