"""What every BundleStore does. Subclass it, name the class `Test...`, and say how one is opened."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from proxy.identity.interfaces import BundleStore

HUGE = 2**64 - 1


class BundleStoreConformance(ABC):
    """The suite. Each opening of the same `place` sees the same rows, as two processes would."""

    @abstractmethod
    def opened(self, place: Path) -> AbstractAsyncContextManager[BundleStore]: ...

    def test_a_sequence_never_goes_back(self, tmp_path: Path) -> None:
        """Not to a lower one, and not to none; after a restart as before, and however large it is."""

        async def story() -> None:
            said = [(None, True), (5, True), (5, True), (9, True), (8, False), (None, False), (10, True), (HUGE, True)]
            async with self.opened(tmp_path) as store:
                assert await store.last_bundle("a.example", 0) is None
                for sequence, kept in said:
                    assert await store.keep_bundle("a.example", 0, sequence, f"{sequence}".encode(), 1.0) is kept
            async with self.opened(tmp_path) as again:
                assert not await again.keep_bundle("a.example", 0, HUGE - 1, b"old", 2.0)
                assert await again.last_bundle("a.example", 0) == str(HUGE).encode()

        asyncio.run(story())

    def test_each_generation_of_each_trust_domain_is_by_itself(self, tmp_path: Path) -> None:
        """A person may say that one was set up anew; that says nothing of another."""

        async def story() -> None:
            async with self.opened(tmp_path) as store:
                assert await store.keep_bundle("a.example", 0, 7, b"seven", 1.0)
                assert await store.keep_bundle("a.example", 1, 1, b"one", 1.0)
                assert await store.keep_bundle("b.example", 0, 2, b"two", 1.0)
                assert not await store.keep_bundle("a.example", 0, 6, b"six", 1.0)
                assert await store.last_bundle("a.example", 0) == b"seven"
                assert await store.last_bundle("a.example", 1) == b"one"
                assert await store.last_bundle("b.example", 1) is None

        asyncio.run(story())

    def test_two_processes_agree(self, tmp_path: Path) -> None:
        """The higher one stays, whoever brought it."""

        async def story() -> None:
            async with self.opened(tmp_path) as store, self.opened(tmp_path) as other:
                both = [(store, other)[n % 2].keep_bundle("a.example", 0, n, b"%d" % n, 1.0) for n in range(20)]
                await asyncio.gather(*both)
                assert await store.last_bundle("a.example", 0) == b"19"
                assert await other.last_bundle("a.example", 0) == b"19"

        asyncio.run(story())
