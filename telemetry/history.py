"""The file of every signed head, oldest first: append-only, whole notes only."""

import os
import re
from pathlib import Path

from telemetry.errors import AuditDamaged

_TAIL_BYTES = 16 * 1024
_NOTE = re.compile(rb"[^\n]+\n[0-9]+\n[^\n]+\n\n(?:\xe2\x80\x94 [^\n]+\n)+\n")


class History:
    """For the one writer of a log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0

    def open(self) -> str | None:
        """The last whole note. What a crash left after it was never published, and is cut off."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(file).st_size
            start = max(0, size - _TAIL_BYTES)
            tail = os.pread(file, _TAIL_BYTES, start)
            notes = list(_NOTE.finditer(tail))
            if start and not notes:
                raise AuditDamaged(f"{self._path}: ends in {len(tail)} bytes without a signed head; restore it")
            self._size = start + notes[-1].end() if notes else 0
            if self._size < size:
                os.ftruncate(file, self._size)
            return notes[-1].group()[:-1].decode() if notes else None
        finally:
            os.close(file)

    def append(self, note: str, *, sync: bool) -> None:
        """After an `OSError` the file is as before."""
        data = note.encode() + b"\n"
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(file, self._size)
            if os.pwrite(file, data, self._size) != len(data):
                raise OSError(f"{self._path}: the disk is full")
            if sync:
                os.fsync(file)
            self._size += len(data)
        finally:
            os.close(file)
