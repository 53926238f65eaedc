"""What identity needs from a store."""

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


class HandleStore(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot answer."""

    async def add_handle(self, row: HandleRow) -> None: ...

    async def handle_by_digest(self, digest: str) -> HandleRow | None: ...

    async def handle_by_id(self, handle_id: str) -> HandleRow | None: ...

    async def list_handles(self, *, agent: str | None = None, live_at: float | None = None) -> list[HandleRow]: ...

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
