"""The thread that makes records durable: all that wait, in one system call; and what it does when it cannot.

There is no linger before a record that a call waits for, but the turn of the event loop that it was put in: batches
emerge under load.
"""

import concurrent.futures
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final

from telemetry.errors import AuditDamaged
from telemetry.ids import new_id
from telemetry.keeper import Keeper
from telemetry.layout import Layout
from telemetry.record import CANONICAL_FORM, MAX_RECORD_BYTES, VERSION, canonical, timestamp
from telemetry.recovery import Recovered
from telemetry.segments import EntryFile, Reserve
from telemetry.tlog import leaf_hash
from telemetry.waiting import Entry, deliver, refuse

_LOG = logging.getLogger(__name__)
MAX_AGE: Final = 5.0
"""Seconds after which a caller whose record is still not durable is refused. A disk that others keep busy takes two."""
MAX_UNSIGNED_AGE: Final = 900.0
_MAX_WAITING = 20_000
_MAX_BATCH = 512
_LAZY_WAKE = 128
_LINGER = 0.05
_MEND_EVERY = 0.25
_LOOK_EVERY = 1.0


class Writer:
    """Alone touches the entry files once started. `put` from any thread."""

    def __init__(self, layout: Layout, origin: str, clock: Callable[[], float], reserve: Reserve) -> None:
        self._layout = layout
        self._origin = origin
        self._clock = clock
        self._reserve = reserve
        self.entries = EntryFile(layout)
        self.keeper: Keeper | None = None
        self.size = 0
        self.waiting: deque[Entry] = deque()
        self.refused = 0
        self.lost = 0
        self._last_leaf = b""
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._woken = False
        self._busy_since: float | None = None
        self._looked_at = 0.0
        self._stopping = False
        self._trouble = ""
        self._trouble_since = 0.0
        self._thread = threading.Thread(target=self._run, name="countersign-audit-writer", daemon=True)

    def start(self, found: Recovered, keeper: Keeper) -> None:
        self.size, self._last_leaf, self.keeper = found.size, found.last_leaf, keeper
        self._thread.start()

    def stop(self) -> None:
        """Make durable what waits, then end. What the disk still refuses is refused to its caller."""
        self._stopping = True
        self._wake.put(None)
        self._thread.join()

    def put(self, entry: Entry) -> None:
        self.waiting.append(entry)
        if entry.lazy and len(self.waiting) < _LAZY_WAKE:
            return
        if entry.loop is None:
            self._wake.put(None)
        elif not self._woken:
            # INVARIANT: `_run` clears `_woken` before it empties the queue, so a record put now is either taken
            # by the round that comes, or sees False and wakes the next one.
            self._woken = True
            # At the end of the loop's turn, so that all calls of this turn are one batch: woken in the middle of it,
            # this thread and the loop would take the interpreter from each other at every system call.
            entry.loop.call_soon(self._wake.put, None)

    def has_room(self) -> bool:
        return len(self.waiting) < _MAX_WAITING

    def why_not(self) -> str:
        """Empty if an append would be tried now; else why not, in words for the operator."""
        if self._trouble:
            return self._trouble
        now = time.monotonic()
        if self._busy_since is not None and now - self._busy_since > MAX_AGE:
            return "the audit log's disk does not answer"
        if not self.has_room():
            return "too many records wait for the audit log"
        unsigned = self.keeper.unsigned_since if self.keeper is not None else None
        if unsigned is not None and now - unsigned > MAX_UNSIGNED_AGE:
            return "the audit log's head could not be signed for too long"
        return ""

    # --- while the disk works -----------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._stopping and (self._trouble or not self.waiting)):
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - without this thread nothing passes until somebody restarts us
                self._begin_trouble(_reason(error), error)
        refuse(self._take(len(self.waiting)), self._trouble or "the audit log is closed")

    def _round(self) -> None:
        with suppress(Empty):
            self._wake.get(timeout=_MEND_EVERY if self._trouble else _LINGER)
        self._woken = False
        self._look()
        if self._trouble:
            self._try_to_mend()
        while self.waiting and not self._trouble:
            self._commit()
        if self._trouble:
            self._turn_away()

    def _take(self, count: int) -> list[Entry]:
        return [self.waiting.popleft() for _ in range(count)]

    def _commit(self) -> None:
        batch = self._take(min(len(self.waiting), _MAX_BATCH))
        self._busy_since = time.monotonic()
        try:
            error = self._write_or_keep(batch)
        finally:
            self._busy_since = None
        if error is not None:
            self._fail(error)

    def _write_or_keep(self, batch: Sequence[Entry]) -> Exception | None:
        """Write these. What could not be made durable waits again in its place, and nothing of it stays in the file."""
        size = self.size
        try:
            self._write(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was taken must not be lost with it
            if self.size == size:
                self.waiting.extendleft(reversed(batch))
            with suppress(OSError):
                self.entries.cut()
            return error
        return None

    def _write(self, batch: Sequence[Entry]) -> None:
        """Make these durable and tell their callers; if it raises with `size` as before, none of them is."""
        written: list[Entry] = []
        rejected: list[tuple[Entry, str]] = []
        records: list[dict[str, Any]] = []
        leaves: list[bytes] = []
        lines: list[bytes] = []
        last = self._last_leaf
        for entry in batch:
            try:
                record = self._stamp(entry.record, self.size + len(lines), last)
                line = canonical(record)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one record, those beside it are written
                rejected.append((entry, f"a record cannot be written as JSON: {error}"))
                continue
            if len(line) > MAX_RECORD_BYTES:
                rejected.append((entry, f"a record of {len(line)} bytes is larger than {MAX_RECORD_BYTES}"))
                continue
            last = leaf_hash(line)
            leaves.append(last)
            lines.append(line)
            written.append(entry)
            records.append(record)
        if lines:
            self.entries.append(b"\n".join([*lines, b""]), self.size)
            first = self.size
            self.size += len(lines)
            self._last_leaf = last
            if self.keeper is not None:
                self.keeper.add(leaves, records)  # first: the tree has every record, whatever becomes of who waits
            deliver(written, range(first, self.size))
        for entry, reason in rejected:
            self.lost += 1
            _LOG.error("audit log %s: %s", self._layout.directory, reason)
            refuse([entry], reason)

    def _stamp(self, record: Mapping[str, Any], index: int, last: bytes) -> dict[str, Any]:
        stamped = dict(record)
        at = stamped.pop("at", None)
        stamped["ts"] = timestamp(self._clock() if at is None else at)
        stamped["v"] = VERSION
        stamped["canon"] = CANONICAL_FORM
        stamped["log"] = self._origin
        stamped["idx"] = index
        stamped["id"] = new_id("rec")
        if last:
            stamped["prev"] = "sha256:" + last.hex()
        return stamped

    # --- when it does not -----------------------------------------------------------------------------

    def _look(self) -> None:
        """See once a second that readers still find the file we write."""
        now = time.monotonic()
        if not self._trouble and now - self._looked_at > _LOOK_EVERY:
            self._looked_at = now
            if not self.entries.attached():
                self._begin_trouble("the audit log's file was removed or replaced")

    def _fail(self, error: Exception) -> None:
        """Who waits is refused; outcomes are kept for when the disk works again."""
        self._begin_trouble(_reason(error), None if isinstance(error, OSError) else error)
        self._turn_away()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            self._reserve.release()
            self._write_outcomes()

    def _begin_trouble(self, reason: str, error: Exception | None = None) -> None:
        """Tell of it once, with the trace of an `error` that nobody foresaw."""
        if reason == self._trouble:
            return
        if not self._trouble:
            self._trouble_since = self._clock()
        self._trouble = reason
        _LOG.error("%s: %s; calls are refused until it can be", self._layout.directory, reason, exc_info=error)

    def _turn_away(self) -> None:
        """Refuse whose call waits; keep the outcomes, in order."""
        entries = self._take(len(self.waiting))
        self.waiting.extendleft(entry for entry in reversed(entries) if entry.lazy)
        waiting = [entry for entry in entries if not entry.lazy]
        self.refused += len(waiting)
        refuse(waiting, self._trouble)

    def _write_outcomes(self) -> bool:
        """Write the outcomes of calls already under way, in the space that is left. False: the disk says no."""
        try:
            self.entries.mend()
        except OSError:
            return False
        except AuditDamaged as error:
            self._trouble = str(error)
            return False
        while self.waiting:
            if self._write_or_keep(self._take(min(len(self.waiting), _MAX_BATCH))) is not None:
                return False
        return True

    def _try_to_mend(self) -> None:
        """Healthy again only with the reserve in place, the outcomes written, and the gap itself on record."""
        self._turn_away()
        try:
            self._reserve.restore()
        except OSError:
            self._write_outcomes()
            return
        if self._write_outcomes() and self._write_gap():
            self._trouble = ""
            _LOG.warning("audit log %s: written again; the gap is on record", self._layout.directory)

    def _write_gap(self) -> bool:
        refused, lost = self.refused, self.lost
        gap = {
            "refused": refused,
            "lost": lost,
            "since": timestamp(self._trouble_since),
            "until": timestamp(self._clock()),
            "cause": self._trouble.encode(errors="backslashreplace").decode(),
        }
        told: concurrent.futures.Future[int] = concurrent.futures.Future()
        entry = Entry({"type": "audit.gap", "gap": gap}, told, None, lazy=True)
        self._write_or_keep([entry])
        if self.waiting and self.waiting[0] is entry:
            self.waiting.popleft()  # the next try tells of the gap as it is then
        if not told.done() or told.exception() is not None:
            return False
        self.refused -= refused  # who was refused while this was written is told of next time
        self.lost -= lost
        return True


def _reason(error: Exception) -> str:
    """For the operator. The text of what nobody foresaw may quote a record, so it is not shown."""
    if isinstance(error, OSError):
        return f"the audit log cannot be written: {error.strerror or error}"
    return f"the audit log cannot be written: {type(error).__name__}"
