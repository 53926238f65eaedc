"""The inventory in force, and its replacement when the files change: as a whole, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path

from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Inventory
from proxy.inventory.files import take_snapshot
from proxy.inventory.load import Examined, Loaded, build, examine

POLL_SECONDS = 0.2

type OnChange = Callable[[Loaded], Awaitable[None]]
type OnMistakes = Callable[[Sequence[Mistake]], Awaitable[None]]


class InventorySource:
    """Holds the last good inventory. Raises `ConfigurationError` if there is none to begin with.

    An edit is seen by content, and used only when two polls in a row found the same bytes, so that a file
    that is still being written is never taken for a finished one.
    """

    def __init__(self, path: Path, documents: Sequence[Path] = ()) -> None:
        """`documents` are further files of the same inventory; one that does not exist says nothing."""
        self._path = path
        self._documents = tuple(documents)
        self._loaded = build(take_snapshot(path, documents=self._documents))
        self._named: Collection[Path] = tuple(self._loaded.snapshot.referenced)
        self._judged = self._seen = self._loaded.snapshot.digest
        self._told: tuple[Mistake, ...] = ()

    @property
    def current(self) -> Inventory:
        return self._loaded.inventory

    @property
    def loaded(self) -> Loaded:
        return self._loaded

    async def watch(self, on_change: OnChange, on_mistakes: OnMistakes, interval: float = POLL_SECONDS) -> None:
        """Polls until cancelled; an edit is in force within two intervals and the time it takes to load."""
        while True:
            await asyncio.sleep(interval)
            await self.poll(on_change, on_mistakes)

    async def poll(self, on_change: OnChange, on_mistakes: OnMistakes) -> None:
        """Looks once. `on_change` is told before the new inventory is in force, and may still refuse it.

        A `ConfigurationError`, from loading or from `on_change`, leaves the last good inventory in force;
        `on_mistakes` then has the mistakes, once. It has none when the trouble is over. Whatever else either
        of them raises passes through, and the same files are judged again by the next poll.
        """
        snapshot = await asyncio.to_thread(take_snapshot, self._path, self._named, self._documents)
        settled, self._seen = snapshot.digest == self._seen, snapshot.digest
        if not settled or snapshot.digest == self._judged:
            return
        self._judged = ""  # until the verdict is reached and told: a failure on the way is tried again
        examined = await asyncio.to_thread(examine, snapshot)
        mistakes = await self._use(examined, on_change)
        if mistakes != self._told:
            await on_mistakes(mistakes)
            self._told = mistakes
        if examined.named == frozenset(self._named):
            self._judged = snapshot.digest
        else:
            self._named = examined.named  # and the next poll judges once more, together with these files

    def supposing(self, documents: Mapping[Path, bytes]) -> Examined:
        """What would come of it if these documents had this content. Beside files with mistakes, those in force."""
        now = take_snapshot(self._path, documents=self._documents)
        examined = examine(now.replacing(documents))
        if examined.mistakes and examine(now).mistakes:
            return examine(self._loaded.snapshot.replacing(documents))
        return examined

    def reconsider(self) -> None:
        """Lets the next poll judge the files again although they are as they were: something around them changed."""
        self._judged = ""

    async def _use(self, examined: Examined, on_change: OnChange) -> tuple[Mistake, ...]:
        """Brings it into force; or gives the mistakes for which it is not."""
        try:
            loaded = examined.result()
            if loaded.inventory != self._loaded.inventory:
                await on_change(loaded)
        except ConfigurationError as wrong:
            return wrong.mistakes
        self._loaded = loaded
        return ()
