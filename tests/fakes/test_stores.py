"""The stores in memory keep the promises of the real ones."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.conformance.bundle_store import BundleStoreConformance
from tests.conformance.handle_store import HandleStoreConformance
from tests.conformance.revocation_store import RevocationStoreConformance
from tests.fakes.stores import MemoryBundleStore, MemoryHandleStore, MemoryRevocationStore


class TestMemoryHandleStore(HandleStoreConformance):
    """The fake for handles."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[MemoryHandleStore]:
        yield self.__dict__.setdefault(str(place), MemoryHandleStore())


class TestMemoryRevocationStore(RevocationStoreConformance):
    """The fake for revocations."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[MemoryRevocationStore]:
        yield self.__dict__.setdefault(str(place), MemoryRevocationStore())


class TestMemoryBundleStore(BundleStoreConformance):
    """The fake for bundles."""

    @asynccontextmanager
    async def opened(self, place: Path) -> AsyncIterator[MemoryBundleStore]:
        yield self.__dict__.setdefault(str(place), MemoryBundleStore())
