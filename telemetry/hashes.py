"""The stored nodes of the tree: `tree/0` has every leaf hash, `tree/1` one hash per 256 leaves, and so on.

A slice of 8,192 bytes of one of these files is a full tile of C2SP tlog-tiles. All of it is derived from
the entries, and is rebuilt from them where it is missing.
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from telemetry.errors import AuditDamaged
from telemetry.layout import Layout
from telemetry.tlog import HASH_SIZE, TILE_HEIGHT, Frontier, fold


class HashReader:
    """Reads nodes of a log that may be growing. Raises `AuditDamaged` where a hash is missing."""

    def __init__(self, directory: Path) -> None:
        self.directory = Layout(directory).tree
        self._files: dict[int, int] = {}

    def _file(self, level: int) -> int:
        if level not in self._files:
            try:
                self._files[level] = os.open(self.directory / str(level), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return -1
        return self._files[level]

    def _hashes(self, level: int, start: int, count: int) -> list[bytes]:
        file = self._file(level)
        data = os.pread(file, count * HASH_SIZE, start * HASH_SIZE) if file >= 0 else b""
        return [data[at : at + HASH_SIZE] for at in range(0, len(data) - HASH_SIZE + 1, HASH_SIZE)]

    @property
    def size(self) -> int:
        """How many leaf hashes are stored."""
        return self.count(0)

    def count(self, level: int) -> int:
        file = self._file(level)
        return os.fstat(file).st_size // HASH_SIZE if file >= 0 else 0

    def leaves(self, start: int, count: int) -> list[bytes]:
        """Up to `count` leaf hashes from `start`: fewer where the file ends."""
        return self._hashes(0, start, count)

    def stored(self, level: int, index: int) -> bytes | None:
        """One hash of a file, if it is there."""
        found = self._hashes(level, index, 1)
        return found[0] if found else None

    def node(self, height: int, index: int) -> bytes:
        """The hash of the perfect subtree of 2**height leaves with this index."""
        level, above = divmod(height, TILE_HEIGHT)
        count = 1 << above
        hashes = self._hashes(level, index * count, count)
        if len(hashes) < count:
            place = self.directory / str(level)
            raise AuditDamaged(f"{place}: hash {index * count} is missing; opening the log for writing rebuilds it")
        return fold(hashes)

    def close(self) -> None:
        for file in self._files.values():
            os.close(file)
        self._files.clear()


class HashFiles(HashReader):
    """The same, for the one writer. What is appended is not forced to the disk until `sync`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.frontier = Frontier()

    def _file(self, level: int) -> int:
        if level not in self._files:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._files[level] = os.open(self.directory / str(level), flags, 0o600)
        return self._files[level]

    def load(self, size: int) -> None:
        """Keep the first `size` leaves, mend the upper levels, and stand ready to append."""
        if size > self.size:
            raise AuditDamaged(f"{self.directory / '0'}: holds {self.size} hashes, not {size}")
        os.truncate(self._file(0), size * HASH_SIZE)
        level = 1
        while (expected := size >> TILE_HEIGHT * level) or (self.directory / str(level)).exists():
            have = min(self.count(level), expected)
            os.truncate(self._file(level), have * HASH_SIZE)
            for index in range(have, expected):
                self._write(level, index, fold(self._hashes(level - 1, index << TILE_HEIGHT, 1 << TILE_HEIGHT)))
            level += 1
        self.frontier = Frontier.at(size, self.node)

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes. After an `OSError` nothing was added, and the same leaves may come again."""
        grown = self.frontier.copy()
        self._write(0, grown.size, b"".join(leaves))
        for leaf in leaves:
            for level, completed in grown.push(leaf):
                self._write(level, (grown.size >> TILE_HEIGHT * level) - 1, completed)
        self.frontier = grown

    def _write(self, level: int, index: int, data: bytes) -> None:
        if os.pwrite(self._file(level), data, index * HASH_SIZE) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.directory / str(level)))

    def sync(self) -> None:
        for file in self._files.values():
            os.fsync(file)
