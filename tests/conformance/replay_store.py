"""What every ReplayStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.identity.interfaces import ReplayStore


class ReplayStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[ReplayStore]: ...

    def test_the_first_caller_of_anywhere_is_the_only_one(self, tmp_path: Path) -> None:
        """Of twenty at the same time, from two openings, one; and none after the store was opened again."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                answers = await asyncio.gather(*((store, other)[n % 2].use_once("a", 100.0, 10.0) for n in range(20)))
                assert answers.count(True) == 1
                assert await store.use_once("b", 100.0, 10.0)
            async with self.opened(tmp_path) as again:
                assert not await again.use_once("a", 100.0, 99.9)

        asyncio.run(story())

    def test_to_ask_is_not_to_use(self, tmp_path: Path) -> None:
        """Whether it was used can be asked by anybody, as often as they like; after its time it was not."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                assert not await store.was_used("a", 10.0)
                assert await store.use_once("a", 100.0, 10.0)
                assert await other.was_used("a", 99.9)
                assert await store.was_used("a", 99.9)
                assert not await store.was_used("a", 100.0)

        asyncio.run(story())

    def test_what_is_over_is_forgotten(self, tmp_path: Path) -> None:
        """After its time nothing accepts the thing any more, so it need not be remembered."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.use_once("a", 100.0, 10.0)
                assert await store.use_once("b", 300.0, 150.0)
                assert await store.use_once("a", 200.0, 150.0)
                assert not await store.use_once("b", 300.0, 150.0)

        asyncio.run(story())
