"""The entry files, as their one writer sees them: what `append` returned from is on the disk, nothing else is."""

import errno
import os
from pathlib import Path

from telemetry.durable import sync_directory
from telemetry.errors import AuditDamaged
from telemetry.layout import Layout

SEGMENT_BYTES = 16 * 1024 * 1024
# One system call that returns when the data is durable. Two (write, fdatasync) would mean one more wait
# for the interpreter lock on every batch.
_DURABLE = os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_DSYNC", os.O_SYNC)


class EntryFile:
    """The segment that grows. After an `OSError` call `mend` until it succeeds; only then append again."""

    def __init__(self, layout: Layout, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._layout = layout
        self._limit = segment_bytes
        self._path = layout.directory
        self._file = -1
        self.size = 0

    def open(self, first: int) -> None:
        """Continue the segment whose first record has this index, or begin it."""
        path = self._layout.segment(first)
        self._file = os.open(path, _DURABLE | os.O_CREAT, 0o600)
        self._path = path
        self.size = os.fstat(self._file).st_size
        sync_directory(self._layout.entries)

    def append(self, data: bytes, next_index: int) -> None:
        """Durable when it returns; `next_index` is the index of the first record in `data`."""
        if self._file < 0:
            raise OSError(f"{self._path}: not open")
        if self.size >= self._limit:
            self.close()
            self.open(next_index)
        self._write(data)
        self.size += len(data)

    def _write(self, data: bytes) -> None:
        view, at = memoryview(data), self.size
        while view:
            written = os.pwrite(self._file, view, at)
            view, at = view[written:], at + written

    def cut(self) -> None:
        """Remove what a failed append may have left, as far as the disk lets us; `mend` makes sure of it."""
        os.ftruncate(self._file, self.size)

    def mend(self) -> None:
        """A fresh handle on the file, with exactly the acknowledged bytes. `OSError`: not yet."""
        self.close()
        file = os.open(self._path, _DURABLE)
        try:
            found = os.fstat(file).st_size
            if found < self.size:
                raise AuditDamaged(f"{self._path}: has {found} bytes, but {self.size} were acknowledged")
            os.ftruncate(file, self.size)
            os.fsync(file)
        except BaseException:
            os.close(file)
            raise
        self._file = file

    def attached(self) -> bool:
        """False if the file we write is no longer the one that readers see."""
        try:
            mine, theirs = os.fstat(self._file), self._path.stat()
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Reserve:
    """Space kept back for the records of calls that are already under way when the disk fills up."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size

    def restore(self) -> None:
        """Raises `OSError` while the disk has no room for it."""
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < self._size:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file, 0, self._size)
                elif os.pwrite(file, bytes(self._size), 0) < self._size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(file)

    def release(self) -> None:
        """Give the space back. Failing to is not worse than not having had it."""
        try:
            os.truncate(self._path, 0)
        except OSError:
            return
