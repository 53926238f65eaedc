"""The account of what happens: a record is durable when `append` returns, or the call is refused."""

import asyncio
import concurrent.futures
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from telemetry.checkpoint import Checkpoint
from telemetry.errors import AuditDamaged, AuditUnavailable, NoteError
from telemetry.hashes import HashFiles
from telemetry.history import History
from telemetry.keeper import Keeper, Listener
from telemetry.layout import Layout
from telemetry.patience import Patience
from telemetry.recovery import load_signer, recover, take_lock
from telemetry.salts import Salts
from telemetry.segments import Reserve
from telemetry.waiting import Entry, Waiter, fail
from telemetry.writer import MAX_AGE, Writer

_LOG = logging.getLogger(__name__)
RESERVE_BYTES: Final = 16 * 1024 * 1024
_CLOSED = "the audit log is not open"
_LATE = "the audit log did not answer in time"


class Recorder:
    """Owns one log directory. `append` from any event loop or thread; `start` and `close` once each."""

    def __init__(
        self,
        directory: Path,
        origin: str,
        *,
        clock: Callable[[], float] = time.time,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        self._layout = Layout(directory)
        self._origin = origin
        self._reserve = Reserve(self._layout.reserve, reserve_bytes)
        self._writer = Writer(self._layout, origin, clock, self._reserve)
        self._salts = Salts(self._layout.salts)
        self._patience: Patience[asyncio.Future[int]] = Patience(MAX_AGE, lambda future: fail(future, _LATE))
        self._tree: HashFiles | None = None
        self._keeper: Keeper | None = None
        self._lock = -1
        self._open = False

    def start(self) -> None:
        """Open the log, or raise `AuditDamaged` (a person must look) or `AuditUnavailable` (the disk says no)."""
        try:
            self._start()
        except OSError as error:
            self._release()
            place = self._layout.directory
            raise AuditUnavailable(f"{place}: the audit log cannot be opened for writing: {error}") from error
        except NoteError as error:
            self._release()
            raise AuditDamaged(f"{self._layout.directory}: {error}") from error
        except AuditDamaged:
            self._release()
            raise

    def _start(self) -> None:
        layout = self._layout
        layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = take_lock(layout)
        signer = load_signer(layout, self._origin)
        self._tree = HashFiles(layout.directory)
        history = History(layout.checkpoints)
        found = recover(layout, self._tree, history, signer)
        if found.cut_bytes:
            _LOG.warning("audit log %s: removed %d bytes of an unfinished record", layout.directory, found.cut_bytes)
        self._writer.entries.open(found.segment)
        self._reserve.restore()
        self._keeper = Keeper(layout, self._tree, history, signer, self._salts)
        self._keeper.start(found.head)
        self._writer.start(found, self._keeper)
        self._open = True

    def close(self) -> None:
        """Make durable what waits, sign the last head, and let go of the directory. Blocks; call it last."""
        if not self._open:
            return
        self._open = False
        self._writer.stop()
        if self._keeper is not None:
            self._keeper.close()
        self._release()

    def _release(self) -> None:
        self._writer.entries.close()
        if self._tree is not None:
            self._tree.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    async def append(self, record: Mapping[str, Any], salt: bytes = b"") -> int:
        """The index of the record, which is durable now. Raises `AuditUnavailable`: then it may not be.

        A record is a mapping of the shape of `telemetry.record.Record` without what the recorder adds;
        `at` (UNIX seconds) becomes `ts`. It is read later, in another thread: do not change it.
        `salt` is that of the call's arguments: kept beside the log, where it can be erased, and never in it.
        """
        self._admit()
        self._keep(record, salt)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._writer.put(Entry(record, future, loop, lazy=False))
        self._patience.begin(future)
        try:
            return await future
        finally:
            self._patience.end(future)

    def append_nowait(self, record: Mapping[str, Any], salt: bytes = b"") -> Waiter:
        """For outcomes. Durable within moments; while the disk is full, once it works again.

        Never blocks and never raises: the future tells, if anybody asks it. From a thread without a
        running loop the future is a `concurrent.futures.Future`.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        future: Waiter = loop.create_future() if loop is not None else concurrent.futures.Future()
        if self._open and self._writer.has_room():
            self._keep(record, salt)
            self._writer.put(Entry(record, future, loop, lazy=True))
        else:
            self._writer.lost += 1
            fail(future, "the audit log is closed, or too much is waiting for it")
        return future

    def append_blocking(self, record: Mapping[str, Any]) -> int:
        """As `append`, for a thread without an event loop."""
        self._admit()
        future: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._writer.put(Entry(record, future, None, lazy=False))
        try:
            return future.result(MAX_AGE)
        except TimeoutError as error:
            raise AuditUnavailable(_LATE) from error

    def _keep(self, record: Mapping[str, Any], salt: bytes) -> None:
        if salt:
            self._salts.add(str(record["call"]), salt)

    def _admit(self) -> None:
        reason = self.trouble
        if reason:
            self._writer.refused += 1
            raise AuditUnavailable(reason)

    def subscribe(self, listener: Listener) -> None:
        """Give each batch of durable records to this function, off the path of a call. After `start`."""
        if self._keeper is None:
            raise AuditUnavailable(_CLOSED)
        self._keeper.subscribe(listener)

    @property
    def healthy(self) -> bool:
        """True if an `append` would be tried now."""
        return not self.trouble

    @property
    def trouble(self) -> str:
        """Why an `append` would be refused now, in words for the operator; empty when healthy."""
        return self._writer.why_not() if self._open else _CLOSED

    @property
    def size(self) -> int:
        """The number of durable records."""
        return self._writer.size

    @property
    def waiting(self) -> int:
        """The number of records that are not durable yet."""
        return len(self._writer.waiting)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last head that was signed: about a second behind `size` while the log grows."""
        return self._keeper.head if self._keeper is not None else None

    @property
    def root(self) -> bytes:
        """The root hash of `checkpoint`; empty before the first."""
        head = self.checkpoint
        return head.root if head is not None else b""
