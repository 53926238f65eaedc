"""Documents of the inventory that come from elsewhere: judged with the files, then kept, or nothing changes."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.model import Json
from proxy.documents import read_tree
from proxy.errors import CountersignError, Mistake, StoreUnavailable
from proxy.files import replace_file
from proxy.inventory.departures import departed, thinned
from proxy.inventory.read import SECTIONS
from proxy.strict_json import loads

MAX_BYTES = 4 << 20
_MAX_DEPTH = 32
_BREAKS = {ord(one): f"\\u{ord(one):04x}" for one in "\x85\u2028\u2029"}

type Judge = Callable[[Mapping[Path, bytes]], Awaitable[tuple[Mistake, ...]]]
type BeforeKept = Callable[[str, str], Awaitable[object]]
type OnDeparted = Callable[[Path, bytes | None, frozenset[str]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A source, and what it last said that could be used. Empty: it has said nothing yet."""

    source: str
    digest: str
    bytes: int


class Documents:
    """The last good document of each source, below the state directory. It outlives us, and its source."""

    def __init__(
        self, folder: Path, sources: Mapping[str, Sequence[str]], judge: Judge, on_departed: OnDeparted
    ) -> None:
        """`sources` are the sections that each of them may speak of.

        `on_departed` is told where a document is kept, and who has left by a newer one that is not; or what is kept
        there from now on, by which all of them are what it says.
        """
        self._folder = folder
        self._sources = sources
        self._judge = judge
        self._on_departed = on_departed
        self._one_at_a_time = asyncio.Lock()

    def source_of(self, path: Path) -> str:
        """The source whose document this file is; empty for the inventory's own files."""
        return path.stem if path.parent == self._folder and path.stem in self._sources else ""

    def kept(self) -> list[Kept]:
        """What is kept of each source."""
        return [self._kept(source) for source in self._sources]

    async def accept(self, source: str, raw: bytes, before_kept: BeforeKept) -> tuple[Mistake, ...]:
        """Keeps this document, if it and all the rest are one inventory that the policies fit; else its mistakes.

        `before_kept` is told the source and the digest, and may still prevent it. What is kept already changes nothing.
        Whoever vanished from a document that is not kept has left all the same, and that is said beside its mistakes.
        """
        if source not in self._sources:
            raise CountersignError(f"`{source}` is none of the `inventory_sources` in the settings")
        async with self._one_at_a_time:
            document, mistakes = await asyncio.to_thread(prepared, source, raw, self._sources[source])
            if mistakes or document is None:
                return mistakes
            path = document_path(self._folder, source)
            kept = await asyncio.to_thread(_read, path)
            if kept == document:
                await self._on_departed(path, kept, frozenset())
                return ()
            mistakes = () if kept is None else tuple(thinned(source, kept, document))
            mistakes = mistakes or await self._judge({path: document})
            if not mistakes:
                await before_kept(source, f"sha256:{hashlib.sha256(document).hexdigest()}")
                await asyncio.to_thread(keep, path, document)
                await self._on_departed(path, document, frozenset())
                return ()
            return mistakes if kept is None else (*mistakes, *await self._without(path, kept, document))

    async def _without(self, path: Path, kept: bytes, document: bytes) -> list[Mistake]:
        """The document stays as it is kept, without whoever has left by this newer one: what there is to say of it."""
        left = departed(kept, document)
        if left:
            await self._on_departed(path, None, left)
        text = "has left by this document, and is deactivated although the document is not in force"
        return [Mistake(path.stem, 0, f"people[{name}]", text) for name in sorted(left)]

    def _kept(self, source: str) -> Kept:
        raw = _read(document_path(self._folder, source))
        return Kept(source, "" if raw is None else f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw or b""))


def document_path(folder: Path, source: str) -> Path:
    """Where the document of this source is kept."""
    return folder / f"{source}.json"


def prepared(source: str, raw: bytes, sections: Sequence[str]) -> tuple[bytes | None, tuple[Mistake, ...]]:
    """The document as it may be kept; or why it may not: no JSON object, or of sections that are not this source's."""
    if len(raw) > MAX_BYTES:
        return None, (Mistake(source, 0, "", f"is larger than {MAX_BYTES} bytes"),)
    try:
        value = loads(raw, max_bytes=MAX_BYTES, max_depth=_MAX_DEPTH)
    except (ValueError, CountersignError) as error:
        return None, (Mistake(source, 0, "", f"cannot be read as JSON: {error}"),)
    if not isinstance(value, dict):
        return None, (Mistake(source, 0, "", "must be a JSON object with the sections of an inventory"),)
    wrong = tuple(
        Mistake(source, 0, name, "is not among the `sections` of this source in the settings")
        for name in value
        if name in SECTIONS and name not in sections
    )
    return (None, wrong) if wrong else (_as_read(raw, value), ())


def _as_read(raw: bytes, value: dict[str, Json]) -> bytes:
    """These bytes, if the reader of the inventory reads in them what JSON says; else the same, written so that it does.

    Nearly all JSON is YAML: pairs of surrogates, tabs, and breaks of lines that JSON takes for characters are not.
    """
    mistakes: list[Mistake] = []
    document = read_tree(raw, "", mistakes)
    if document is not None and not mistakes and document.data == value:
        return raw
    text = json.dumps(value, ensure_ascii=False, indent=2)  # orjson has no integers beyond 64 bits
    return text.translate(_BREAKS).encode()


def keep(path: Path, raw: bytes) -> None:
    """The file has this content, whole and durable, or the one before; raises `StoreUnavailable`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, raw)
    except OSError as error:
        raise StoreUnavailable(f"`{path}` cannot be written: {error.strerror}") from error


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
