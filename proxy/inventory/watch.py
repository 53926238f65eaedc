"""The inventory in force, and its replacement when the files change: as a whole, or not at all."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Inventory
from proxy.inventory.files import Snapshot, settled_only, take_snapshot
from proxy.inventory.load import Examined, Loaded, build, examine
from proxy.inventory.review_dates import Horizon

RESTLESS = 50  # polls: so often files may change from one to the next before that is told

type OnChange = Callable[[Loaded], Awaitable[None]]
type OnExamined = Callable[[Examined], Awaitable[None]]
type OnMistakes = Callable[[Sequence[Mistake]], Awaitable[None]]


class InventorySource:
    """Holds the last good inventory. Raises `ConfigurationError` if there is none to begin with.

    An edit is seen by content, and used only when two polls in a row found the same bytes, so that a file
    that is still being written is never taken for a finished one. If that never comes, those that do not change
    still say who is inactive, and which ones change all the time is a mistake.
    """

    def __init__(self, path: Path, horizon: Callable[[], Horizon], documents: Sequence[Path] = ()) -> None:
        """`documents` are further files of the same inventory; one that does not exist says nothing."""
        self._path = path
        self._horizon = horizon
        self._documents = tuple(documents)
        self._loaded = build(take_snapshot(path, documents=self._documents), horizon())
        self._named: Collection[Path] = tuple(self._loaded.snapshot.referenced)
        self._judged = self._seen = self._loaded.snapshot.digest
        self._found: Snapshot | None = None  # by the look before, while files change
        self._restless = 0
        self._last: Examined | None = None
        self._told: tuple[Mistake, ...] = ()

    @property
    def current(self) -> Inventory:
        return self._loaded.inventory

    @property
    def loaded(self) -> Loaded:
        return self._loaded

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Why the newest files are not in force; nothing if they are."""
        return self._told

    @property
    def waiting(self) -> bool:
        """Whether files were seen that are not judged yet: they may still be being written."""
        return self._seen != self._judged

    def places(self) -> Iterator[Path]:
        """Where to see that something may have changed."""
        yield self._path
        yield from self._documents
        yield from self._named

    async def poll(self, on_examined: OnExamined, on_change: OnChange, on_mistakes: OnMistakes) -> None:
        """Looks once. `on_examined` is told first what the files say, whether or not they can be used."""
        examined = await self.look()
        if examined is not None:
            await on_examined(examined)
            await self.use(examined, on_change, on_mistakes)

    async def look(self) -> Examined | None:
        """What the files say now, if it is to be used: it has settled, and is not judged yet."""
        snapshot, digest = await asyncio.to_thread(self._take)
        before, self._found = self._found, None
        if digest != self._seen:
            self._seen, self._found, self._restless = digest, snapshot, self._restless + 1
            if before is None or self._restless % RESTLESS:
                return None
            self._judged = ""
            return await asyncio.to_thread(self._examine, settled_only(before, snapshot))
        self._restless = 0
        if digest == self._judged:
            return None
        examined = await asyncio.to_thread(self._examine, snapshot)
        self._last = examined
        self._judged = ""  # until the verdict is reached and told: a failure on the way is tried again
        return examined

    def _take(self) -> tuple[Snapshot, str]:
        snapshot = take_snapshot(self._path, self._named, self._documents)
        return snapshot, snapshot.digest

    def _examine(self, snapshot: Snapshot) -> Examined:
        return examine(snapshot, self._horizon())

    async def use(self, examined: Examined, on_change: OnChange, on_mistakes: OnMistakes) -> None:
        """Brings into force what the last look found.

        `on_change` is told before the new inventory is in force, and may still refuse it. A `ConfigurationError`,
        from loading or from `on_change`, leaves the last good inventory in force; `on_mistakes` then has the mistakes,
        once. It has none when the trouble is over. Whatever else either of them raises passes through, and the same
        files are judged again by the next look.
        """
        mistakes = await self._use(examined, on_change)
        if mistakes != self._told:
            await on_mistakes(mistakes)
            self._told = mistakes
        if self._restless:
            return  # it was not all of them: whatever they say in the end is still to be judged
        if examined.named == frozenset(self._named):
            self._judged = self._seen
        else:
            self._named = examined.named  # and the next look judges once more, together with these files

    def supposing(self, documents: Mapping[Path, bytes]) -> Examined:
        """What would come of it if these documents had this content. Beside files with mistakes, those in force."""
        now = take_snapshot(self._path, documents=self._documents)
        examined = self._examine(now.replacing(documents))
        if examined.mistakes and self._examine(now).mistakes:
            return self._examine(self._loaded.snapshot.replacing(documents))
        return examined

    def reconsider(self) -> Examined | None:
        """What the files said when they were judged last, to be used again: something around them changed.

        None while they change themselves, and where they are in force since the start.
        """
        if self.waiting or self._last is None:
            return None
        self._judged = ""  # whoever does not use it now has it from the next look
        return self._last

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
