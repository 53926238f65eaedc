"""What every HandleStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.errors import StoreUnavailable
from proxy.identity.interfaces import HandleQuery, HandleRow, HandleStore

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
        """A list is newest first; by agents, by task, and by being live at a moment: not expired, not revoked."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_handle(OTHER)
                await store.add_handle(ROW)
                assert await store.list_handles() == [OTHER, ROW]
                assert await store.list_handles(HandleQuery(agents=["report-bot"])) == [OTHER]
                assert await store.list_handles(HandleQuery(agents=["nobody"])) == []
                assert await store.list_handles(HandleQuery(agents=[])) == []
                assert await store.list_handles(HandleQuery(task="task_1")) == [OTHER, ROW]
                assert await store.list_handles(HandleQuery(task="task_2")) == []
                assert await store.list_handles(HandleQuery(live_at=1200.0)) == [OTHER, ROW]
                assert await store.list_handles(HandleQuery(live_at=2000.25)) == []
                await store.revoke_handle(ROW.id, 1300.0, "person:bob", "lost")
                assert await store.list_handles(HandleQuery(live_at=1600.0)) == [OTHER]
                assert len(await store.list_handles(HandleQuery(agents=["refund-bot"]))) == 1

        asyncio.run(story())

    def test_a_list_comes_in_pieces(self, tmp_path: Path) -> None:
        """Never more than was asked for, and the rest after the last one that was seen, each row once."""

        async def story() -> None:
            rows = [replace(ROW, id=f"hnd_{n}", digest=f"{n:064x}", issued_at=1000.0 + n // 2) for n in range(5)]
            async with self.opened(tmp_path) as store:
                for row in rows:
                    await store.add_handle(row)
                seen: list[HandleRow] = []
                while found := await store.list_handles(
                    HandleQuery(before=(seen[-1].issued_at, seen[-1].id) if seen else None, limit=2)
                ):
                    assert len(found) <= 2
                    seen += found
                assert seen == rows[::-1]

        asyncio.run(story())

    def test_agents_are_named_by_handles_and_by_their_tasks(self, tmp_path: Path) -> None:
        """Every agent of a task, ended handles too; nothing for what nobody issued."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                await store.add_handle(ROW)
                await store.add_handle(OTHER)
                await store.revoke_handle(OTHER.id, 1600.0, "person:bob", "lost")
                assert await store.agents_of_handles([ROW.id, "hnd_x"]) == {ROW.id: ROW.agent}
                assert await store.agents_under(["task_1", "task_x"]) == {"task_1": {ROW.agent, OTHER.agent}}

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
