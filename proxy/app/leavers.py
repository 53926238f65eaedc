"""Who has left by the documents of sources: deactivated at once, on record, and still so after a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path

import orjson

from policies.model import Json
from proxy.errors import CountersignError, StoreUnavailable
from proxy.files import replace_file
from proxy.reload import Departed, Keeper
from telemetry.durable import sync_directory

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]

_NOBODY = Departed(frozenset())


class SourceLeavers:
    """What `Documents` tells of people who vanish, in force over what is kept until a newer document is in force.

    The effect comes first, as with every end: what runs does its harm while a full disk keeps us from writing.
    """

    def __init__(self, keeper: Keeper, record: Record, clock: Callable[[], float]) -> None:
        self._keeper = keeper
        self._record = record
        self._clock = clock
        self._left: dict[Path, Departed] = {}
        self._told: dict[Path, frozenset[str]] = {}

    def recall(self, documents: Iterable[Path]) -> None:
        """Before anything is served. Raises `CountersignError` if what was written down cannot be read."""
        for path in documents:
            people = _read(_beside(path))
            if people:
                self._left[path] = Departed(people)
                self._told[path] = people
        self._keeper.depart(self._left)

    async def tell(self, path: Path, document: bytes | None, people: frozenset[str]) -> None:
        """These people have left by a newer document than the one kept at `path`; or, with `document`, it is this one.

        In force, written down and on record when it returns.
        """
        left = self._left.get(path, _NOBODY)
        # Whom a document in force has brought back is gone no more: what comes after it does not end them again.
        earlier = left.people if left.stand(path, self._keeper.loaded) else frozenset()
        if document is not None:
            if left.people:
                await asyncio.to_thread(_write, _beside(path), frozenset())
                self._left[path] = Departed(earlier, document)
                self._told.pop(path, None)
                self._keeper.depart(self._left)
            return
        self._left[path] = Departed(earlier | people)
        self._keeper.depart(self._left)
        await asyncio.to_thread(_write, _beside(path), earlier | people)
        for person in sorted((earlier | people) - self._told.get(path, frozenset())):
            await self._record(self._change(person, path.stem))
            self._told[path] = self._told.get(path, frozenset()) | {person}

    def _change(self, person: str, source: str) -> dict[str, Json]:
        change: dict[str, Json] = {
            "what": f"person:{person}",
            "by": "countersign",
            "kind": "deactivate",
            "reason": "no longer in the document of its source",
            "details": [f"source=inventory:{source}"],
        }
        return {"type": "person.deactivated", "at": self._clock(), "change": change}


def _beside(document: Path) -> Path:
    return document.with_suffix(".left")  # no document ends so


def _read(path: Path) -> frozenset[str]:
    try:
        names = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as error:
        raise CountersignError(f"{path}: cannot be read; it holds who has left by the document beside it") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CountersignError(f"{path}: must be a JSON list of people, who have left by the document beside it")
    return frozenset(names)


def _write(path: Path, people: frozenset[str]) -> None:
    try:
        if people:
            replace_file(path, orjson.dumps(sorted(people)))
        elif path.exists():
            path.unlink()
            sync_directory(path.parent)
    except OSError as error:
        raise StoreUnavailable(f"`{path}` cannot be written: {error.strerror}") from error
