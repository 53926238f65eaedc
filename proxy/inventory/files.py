"""The inventory's files as they are at one moment: read once, then digested and parsed from the same bytes."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from proxy.documents import read_bytes, shown
from proxy.errors import Mistake

MAX_FILES = 1000
MAX_REFERENCED_BYTES = 16 << 20
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`own` are the inventory's files, `referenced` the OpenAPI documents and CA bundles that they name.

    `mistakes` are about `own`, `unreadable` about `referenced`.
    """

    own: Mapping[Path, bytes]
    referenced: Mapping[Path, bytes] = field(default_factory=dict)
    mistakes: tuple[Mistake, ...] = ()
    unreadable: tuple[Mistake, ...] = ()

    @property
    def digest(self) -> str:
        """Differs whenever any content, name, or failure to read differs."""
        total = hashlib.sha256()
        for files in (self.own, self.referenced):
            for path in sorted(files):
                total.update(hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).digest())
                total.update(hashlib.sha256(files[path]).digest())
            total.update(b"/")
        for mistake in (*self.mistakes, *self.unreadable):
            total.update(hashlib.sha256(str(mistake).encode("utf-8", "surrogateescape")).digest())
        return total.hexdigest()

    def replacing(self, documents: Mapping[Path, bytes]) -> Self:
        """The same, if these of its own files had this content."""
        return replace(self, own={**self.own, **documents})


def take_snapshot(root: Path, referenced: Collection[Path] = (), documents: Collection[Path] = ()) -> Snapshot:
    """All files below `root` (a directory, or one file), and these others. What cannot be read is a mistake.

    `documents` are more of the inventory's own files, which need not be there.
    """
    mistakes: list[Mistake] = []
    files = [*_own_files(root, mistakes), *(path for path in documents if path.exists())]
    own = {path: raw for path in files if (raw := read_bytes(path, mistakes)) is not None}
    unreadable: list[Mistake] = []
    others = read_referenced(referenced, unreadable)
    return Snapshot(own, others, tuple(mistakes), tuple(unreadable))


def settled_only(before: Snapshot, now: Snapshot) -> Snapshot:
    """What two looks in a row found alike, of files that change all the time; each of the others is a mistake."""
    own = {path: raw for path, raw in now.own.items() if before.own.get(path) == raw}
    others = {path: raw for path, raw in now.referenced.items() if before.referenced.get(path) == raw}
    restless = sorted({*before.own, *before.referenced, *now.own, *now.referenced} - own.keys() - others.keys())
    why = "changes all the time, so that no edit can be used; it must stay as it is for a moment"
    told = [Mistake(shown(path), 0, "", why) for path in restless] or [Mistake("the inventory", 0, "", why)]
    return Snapshot(own, others, (*now.mistakes, *told), now.unreadable)


def read_referenced(paths: Collection[Path], mistakes: list[Mistake]) -> dict[Path, bytes]:
    """These files by path, without those that cannot be read."""
    return {
        path: raw
        for path in sorted(set(paths))
        if (raw := read_bytes(path, mistakes, MAX_REFERENCED_BYTES)) is not None
    }


def _own_files(root: Path, mistakes: list[Mistake]) -> list[Path]:
    if root.is_file():
        return [root]
    try:
        found = sorted(path for path in root.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith("."))
    except OSError as error:
        why = (error.strerror or "it cannot be read").lower()
        mistakes.append(Mistake(shown(root), 0, "", f"is not a readable inventory: {why}"))
        return []
    if not found:
        mistakes.append(
            Mistake(shown(root), 0, "", "holds no *.yaml files; `countersign init` writes a small inventory")
        )
    if len(found) > MAX_FILES:
        mistakes.append(Mistake(shown(root), 0, "", f"holds over {MAX_FILES} files; merge some"))
        return []
    return found
