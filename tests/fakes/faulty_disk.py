"""A disk that refuses durable writes on command, in the way the operating system would."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.segments import EntryFile


class FaultyDisk:
    """`broken` is the error number every write fails with; `partial` bytes of it reach the file first."""

    def __init__(self) -> None:
        self.failures = 0
        self.broken = 0
        self.partial = 0

    def check(self, file: int, data: bytes, at: int) -> None:
        if self.broken:
            self.failures += 1
            if self.partial:
                os.pwrite(file, data[: self.partial], at)
            raise OSError(self.broken, os.strerror(self.broken))


@contextmanager
def faulty_disk(monkeypatch) -> Iterator[FaultyDisk]:
    """Every entry file writes to this disk."""
    disk = FaultyDisk()
    healthy = EntryFile._write

    def write(self: EntryFile, data: bytes) -> None:
        disk.check(self._file, data, self.size)
        healthy(self, data)

    def fallocate(file: int, offset: int, length: int) -> None:
        if disk.broken == errno.ENOSPC:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(EntryFile, "_write", write)
        patched.setattr("os.posix_fallocate", fallocate)
        yield disk
