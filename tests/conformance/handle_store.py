"""What every HandleStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.identity.interfaces import HandleRow, HandleStore

ROW = HandleRow(
    id="hnd_1",
    digest="a" * 64,
    agent="refund-bot",
    task="task_1",
    purpose="refunds of today",
    on_behalf_of="alice",
    issued_at=1000.0,
    not_after=2000.25,
    issued_by="operator:uid=1000",
)
OTHER = replace(ROW, id="hnd_2", digest="b" * 64, agent="report-bot", on_behalf_of=None, issued_at=1500.0)


class HandleStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[HandleStore]: ...

    def test_a_row_comes_back_as_it_went_in(self, tmp_path: Path) -> None:
        """A stored handle is found by digest and by id, in every field; another digest finds nothing."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_handle(ROW)
                await store.add_handle(OTHER)
                assert await store.handle_by_digest(ROW.digest) == ROW
                assert await store.handle_by_id(OTHER.id) == OTHER
                assert await store.handle_by_digest("c" * 64) is None
                assert await store.handle_by_digest(ROW.id) is None
                assert await store.handle_by_id("hnd_3") is None
            async with self.opened(tmp_path) as again:
                assert await again.handle_by_digest(ROW.digest) == ROW

        asyncio.run(story())

    @pytest.mark.parametrize("twin", [replace(OTHER, id=ROW.id), replace(OTHER, digest=ROW.digest)], ids=["id", "hash"])
    def test_a_row_is_never_replaced(self, tmp_path: Path, twin: HandleRow) -> None:
        """A second row of the same id or digest is an error, and the first one stays."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_handle(ROW)
                with pytest.raises(StoreUnavailable):
                    await store.add_handle(twin)
                assert await store.list_handles() == [ROW]

        asyncio.run(story())

    def test_a_list_can_be_narrowed(self, tmp_path: Path) -> None:
        """A list is oldest first; by agent, and by being live at a moment: not expired, not revoked."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_handle(OTHER)
                await store.add_handle(ROW)
                assert await store.list_handles() == [ROW, OTHER]
                assert await store.list_handles(agent="report-bot") == [OTHER]
                assert await store.list_handles(agent="nobody") == []
                assert await store.list_handles(live_at=1200.0) == [ROW, OTHER]
                assert await store.list_handles(live_at=2000.25) == []
                await store.revoke_handle(ROW.id, 1300.0, "person:bob", "lost")
                assert await store.list_handles(live_at=1600.0) == [OTHER]
                assert len(await store.list_handles(agent="refund-bot")) == 1

        asyncio.run(story())

    def test_a_handle_is_revoked_once(self, tmp_path: Path) -> None:
        """The first revocation is kept with its time, person and reason; later ones and unknown ids say False."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                await store.add_handle(ROW)
                assert await store.revoke_handle(ROW.id, 1300.5, "person:bob", "lost") is True
                assert await other.revoke_handle(ROW.id, 1400.0, "person:eve", "again") is False
                assert await store.revoke_handle("hnd_3", 1400.0, "person:eve", "unknown") is False
                found = await other.handle_by_digest(ROW.digest)
                assert found == replace(ROW, revoked_at=1300.5, revoked_by="person:bob", revoked_reason="lost")

        asyncio.run(story())
