"""Connection handles: issued once, found while they live, dead at once when revoked."""

import asyncio
import hashlib
import re
from typing import Any

import pytest

from proxy.errors import CountersignError, Refused, StoreUnavailable
from proxy.identity import handles as module
from proxy.identity.handles import MAX_TTL, HandleService
from proxy.identity.interfaces import HandleQuery, HandleRow
from tests.fakes.stores import MemoryHandleStore

NOW = 1_800_000_000.0


class House:
    """A service over a store in memory, which notes what scopes were ended."""

    def __init__(self) -> None:
        self.store = MemoryHandleStore()
        self.ended: list[tuple[str, str, str, float]] = []
        self.service = HandleService(self.store, self._revoke_scope)

    async def _revoke_scope(self, scope: str, by: str, reason: str, now: float) -> None:
        self.ended.append((scope, by, reason, now))

    def issue(self, **changes: Any) -> tuple[str, HandleRow]:
        """A handle for the refund bot."""
        good = {"agent": "refund-bot", "purpose": "refunds", "ttl": 600.0, "issued_by": "operator:uid=1", "now": NOW}
        return asyncio.run(self.service.issue(**(good | changes)))

    def find(self, handle: str, now: float = NOW) -> HandleRow | None:
        """What a handle stands for."""
        return asyncio.run(self.service.find(handle, now))


def test_a_handle_is_found_by_itself_only() -> None:
    """256 random bits, of which only the digest is stored; the row says who, for whom and why."""
    house = House()
    handle, row = house.issue(task="task_7", on_behalf_of="alice")
    assert re.fullmatch(r"csh_[A-Za-z0-9_-]{43}", handle)
    assert row == HandleRow(
        id=row.id,
        digest=hashlib.sha256(handle.encode()).hexdigest(),
        agent="refund-bot",
        task="task_7",
        purpose="refunds",
        on_behalf_of="alice",
        issued_at=NOW,
        not_after=NOW + 600,
        issued_by="operator:uid=1",
    )
    assert row.id.startswith("hnd_")
    assert handle not in repr(house.store.rows)
    assert house.find(handle) == row


def test_without_a_task_a_new_one_begins() -> None:
    """Two handles without a task do not share one."""
    house = House()
    tasks = {house.issue()[1].task, house.issue(task="")[1].task}
    assert len(tasks) == 2
    assert all(task.startswith("task_") for task in tasks)


@pytest.mark.parametrize(
    "changes",
    [{"ttl": 0.0}, {"ttl": -1.0}, {"ttl": MAX_TTL + 1}, {"ttl": float("nan")}, {"agent": ""}, {"issued_by": ""}],
)
def test_a_handle_needs_an_end_and_names(changes: dict[str, Any]) -> None:
    """A handle for ever, for nobody or from nobody is not issued."""
    house = House()
    with pytest.raises(CountersignError):
        house.issue(**changes)
    assert house.store.rows == {}


def test_what_nobody_issued_is_not_found() -> None:
    """Unknown, cut, extended and odd texts all end in the same look-up by hash, and in nothing."""
    house = House()
    handle, row = house.issue()
    for text in (
        "",
        "csh_",
        "csh_" + "A" * 43,
        handle[:-1],
        handle + "A",
        handle.upper(),
        row.id,
        row.digest,
        "\ud800",
    ):
        reads = house.store.reads
        assert house.find(text) is None
        assert house.store.reads == reads + 1


def test_an_expired_handle_is_refused() -> None:
    """From its end on a handle is refused, remembered or not, with that reason; a time that is none is no time."""
    house = House()
    handle, _ = house.issue()
    for now in (NOW + 600, float("nan")):
        with pytest.raises(Refused) as caught:
            house.find(handle, now)
        assert (caught.value.refusal.reason, caught.value.refusal.status) == ("identity_expired", 407)
        assert house.find(handle, NOW + 599.9) is not None


def test_a_revoked_handle_is_refused_at_once() -> None:
    """Revoking ends what runs under the handle, and new connections with it, and says so only once."""
    house = House()
    handle, row = house.issue()
    assert house.find(handle) is not None
    assert asyncio.run(house.service.revoke(row.id, by="person:bob", reason="lost", now=NOW + 1)) is True
    assert house.ended == [(f"handle:{row.id}", "person:bob", "lost", NOW + 1)]
    with pytest.raises(Refused) as caught:
        house.find(handle, NOW + 1)
    assert caught.value.refusal.reason == "identity_revoked"
    assert handle not in str(caught.value)
    assert asyncio.run(house.service.revoke(row.id, by="person:bob", reason="lost", now=NOW + 2)) is False
    before = list(house.ended)
    assert asyncio.run(house.service.revoke("hnd_unknown", by="person:bob", reason="lost", now=NOW)) is False
    assert house.ended == before, "nothing was ended for a handle that there is not"


def test_a_revocation_that_fails_half_way_can_be_repeated() -> None:
    """If the row cannot be marked, the error is told; the scope is ended, and a second try does both."""

    class Halting(MemoryHandleStore):
        halted = True

        async def revoke_handle(self, handle_id: str, at: float, by: str, reason: str) -> bool:
            if self.halted:
                raise StoreUnavailable("disk full")
            return await super().revoke_handle(handle_id, at, by, reason)

    house = House()
    store = house.store = Halting()
    house.service = HandleService(store, house._revoke_scope)
    _, row = house.issue()
    with pytest.raises(StoreUnavailable):
        asyncio.run(house.service.revoke(row.id, by="person:bob", reason="lost", now=NOW))
    assert len(house.ended) == 1
    store.halted = False
    assert asyncio.run(house.service.revoke(row.id, by="person:bob", reason="lost", now=NOW)) is True


def test_rows_are_remembered_until_something_changes() -> None:
    """The store is read once; after `forget`, what another process did counts."""
    house = House()
    handle, row = house.issue()
    assert [house.find(handle) for _ in range(3)] == [row] * 3
    assert house.store.reads == 1
    asyncio.run(house.store.revoke_handle(row.id, NOW, "person:bob", "elsewhere"))
    house.service.forget()
    with pytest.raises(Refused):
        house.find(handle)


def test_a_row_read_before_a_change_is_not_remembered() -> None:
    """If word of a change comes while a row is being read, the row is not kept: it may be the old one."""
    house = House()
    handle, row = house.issue()

    class Slow(MemoryHandleStore):
        async def handle_by_digest(self, digest: str) -> HandleRow | None:
            found = await super().handle_by_digest(digest)
            await self.revoke_handle(row.id, NOW, "person:bob", "meanwhile")
            house.service.forget()
            return found

    house.service = HandleService(Slow(dict(house.store.rows)), house._revoke_scope)
    assert house.find(handle) == row
    with pytest.raises(Refused):
        house.find(handle)


def test_a_store_that_is_down_is_no_answer() -> None:
    """A handle that cannot be looked up is not taken for good, nor for unknown."""
    house = House()
    handle, _ = house.issue()
    house.store.failing = True
    with pytest.raises(StoreUnavailable):
        house.find(handle)


def test_a_list_holds_no_digest() -> None:
    """What is listed for people cannot be used to look anything up."""
    house = House()
    _, row = house.issue()
    house.issue(agent="report-bot")
    listed = asyncio.run(house.service.list(HandleQuery(agents=["refund-bot"], live_at=NOW)))
    assert [(one.id, one.digest) for one in listed] == [(row.id, "")]


def test_only_so_many_rows_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was shown longest ago makes room; made-up ones take none."""
    monkeypatch.setattr(module, "_CACHED", 2)
    house = House()
    first, second, third = (house.issue()[0] for _ in range(3))
    for handle in (first, second, first, third, "csh_made-up", first, third):
        house.find(handle)
    assert house.store.reads == 4
    house.find(second)
    assert house.store.reads == 5


def test_ten_thousand_live_handles_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown one after another, again and again, each is read from the store once: a smaller memory would miss."""

    async def story() -> None:
        house, reads = House(), list[str]()
        _, row = await house.service.issue(agent="refund-bot", purpose="x", ttl=600, issued_by="t", now=NOW)

        async def counted(digest: str) -> HandleRow:
            reads.append(digest)
            return row

        monkeypatch.setattr(house.store, "handle_by_digest", counted)
        handles = [f"csh_{number:043}" for number in range(10_000)]
        for _ in range(2):
            for handle in handles:
                assert await house.service.find(handle, NOW) is not None
        assert len(reads) == 10_000

    asyncio.run(story())
