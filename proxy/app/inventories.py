"""The inventory in force as the control API shows it: each entry, and who said it."""

from collections.abc import Sequence
from pathlib import Path

from proxy.app.source_health import SourceHealth
from proxy.control.needs import Written
from proxy.documents import shown
from proxy.errors import Mistake
from proxy.inventory.documents import BeforeKept, Documents, Kept
from proxy.inventory.read import SECTIONS
from proxy.reload import Keeper


class InventoriesInForce:
    """An `Inventories` over the keeper of what is in force, and the documents of its sources."""

    def __init__(self, keeper: Keeper, documents: Documents, health: SourceHealth) -> None:
        self._keeper = keeper
        self._documents = documents
        self._health = health

    def entries(self) -> Sequence[Written]:
        """Every entry, in the order of the sections and of their ids."""
        loaded = self._keeper.loaded
        sources = {shown(path): self._source(path) for path in loaded.snapshot.own}
        return [
            Written(section, name, entry.place, sources.get(entry.document.file, ""))
            for section in SECTIONS
            for name, entry in sorted(getattr(loaded.reading, section).items())
        ]

    def kept(self) -> Sequence[Kept]:
        """What is kept of each source."""
        return self._documents.kept()

    async def accept(self, source: str, raw: bytes, before_kept: BeforeKept) -> Sequence[Mistake]:
        """This document is kept, and in force within a second; or its mistakes, and who has left by it all the same."""
        mistakes = await self._documents.accept(source, raw, before_kept)
        if mistakes:
            self._health.wrong(source, str(mistakes[0]))
        else:
            self._health.good(source)
        return mistakes

    def _source(self, path: Path) -> str:
        return self._documents.source_of(path)
