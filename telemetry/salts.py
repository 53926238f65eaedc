"""The salts of argument commitments, beside the log and never in it, so that they can be erased."""

import errno
import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from telemetry.errors import AuditDamaged

_LINE = re.compile(rb"([!-~]{1,128}) ([0-9a-f]{64})\n")
_LONGEST_LINE = 128 + 1 + 64 + 1
_MOST_WAITING = 10_000


class Salts:
    """One file, one writer. `add` only remembers; `flush`, off the path of a call, writes.

    A salt lost in a crash means that this one call's arguments can no longer be shown to match.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._size: int | None = None

    def add(self, call: str, salt: bytes) -> None:
        """From any thread; never waits."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(f"{call} {salt.hex()}\n".encode())

    def flush(self) -> None:
        """Raises `OSError`; what could not be written is kept for the next time."""
        with self._lock:
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]  # not those added meanwhile
            if not lines:
                return
            try:
                self._append(b"".join(lines))
            except OSError:
                self._waiting.extendleft(reversed(lines))
                raise

    def _append(self, data: bytes) -> None:
        """After an `OSError` what it left is written over: half a line would spoil the one after it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            found = os.fstat(file).st_size
            if self._size is None or found < self._size:
                self._size = _whole_lines(file, found)
            os.ftruncate(file, self._size)
            if os.pwrite(file, data, self._size) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self._size += len(data)
        finally:
            os.close(file)

    def find(self, call: str) -> bytes | None:
        """The salt of this call's arguments; None if there is none, or it was erased."""
        return next((salt for _, salt in self._places(call)), None)

    def erase(self, call: str) -> bool:
        """Overwrite the salt, durably. False if there was none. What the log holds stays valid, and says nothing."""
        self.flush()
        with self._lock:
            places = list(self._places(call))
            if not places:
                return False
            file = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                for offset, _ in places:
                    os.pwrite(file, b"0" * 64, offset)
                os.fsync(file)
            finally:
                os.close(file)
            return True

    def _places(self, call: str) -> Iterator[tuple[int, bytes]]:
        """(offset of the salt's digits, salt): one for each record of the call that was given it."""
        if not self._path.exists():
            return
        wanted, offset = call.encode(), 0
        with self._path.open("rb") as lines:
            for line in lines:
                if line.startswith(wanted + b" "):
                    found = _LINE.fullmatch(line)
                    if found is None:
                        raise AuditDamaged(f"{self._path}: the salt of `{call}` cannot be read")
                    salt = bytes.fromhex(found[2].decode())
                    if any(salt):
                        yield offset + found.start(2), salt
                offset += len(line)


def _whole_lines(file: int, end: int) -> int:
    """Where the file's last whole line ends. What is longer than any line of ours is left as it is."""
    start = max(0, end - _LONGEST_LINE)
    newline = os.pread(file, end - start, start).rfind(b"\n")
    return end if start and newline < 0 else start + newline + 1
