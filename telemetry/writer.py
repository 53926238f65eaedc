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
MAX_AGE: Final = 2.0
"""Seconds after which a caller whose record is still not durable is refused."""
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
        refuse(self._take(len(self.waiting)), self._trouble or "the audit log is closed")

    def _take(self, count: int) -> list[Entry]:
        return [self.waiting.popleft() for _ in range(count)]

    def _commit(self) -> None:
        batch = self._take(min(len(self.waiting), _MAX_BATCH))
        self._busy_since = time.monotonic()
        try:
            self._write(batch)
        except OSError as error:
            self._fail(batch, error)
        finally:
            self._busy_since = None

    def _write(self, batch: Sequence[Entry]) -> None:
        """Make these durable and tell their callers; after an `OSError` none of them is."""
        written: list[Entry] = []
        rejected: list[tuple[Entry, str]] = []
        records: list[dict[str, Any]] = []
        leaves: list[bytes] = []
        lines: list[bytes] = []
        last = self._last_leaf
        for entry in batch:
            record = self._stamp(entry.record, self.size + len(lines), last)
            try:
                line = canonical(record)
            except (TypeError, ValueError) as error:
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
            deliver(written, range(first, self.size))
            if self.keeper is not None:
                self.keeper.add(leaves, records)
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

    def _fail(self, batch: Sequence[Entry], error: OSError) -> None:
        """Nothing of the batch stays. Who waits is refused; outcomes are kept for when the disk works again."""
        self._begin_trouble(f"the audit log cannot be written: {error.strerror or error}")
        with suppress(OSError):
            self.entries.cut()
        self.waiting.extendleft(reversed(batch))
        self._turn_away()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            self._reserve.release()
            self._write_outcomes()

    def _begin_trouble(self, reason: str) -> None:
        self._trouble = reason
        self._trouble_since = self._clock()
        _LOG.error("%s: %s; calls are refused until it can be", self._layout.directory, reason)

    def _turn_away(self) -> None:
        """Refuse whose call waits; keep the outcomes, in order."""
        entries = self._take(len(self.waiting))
        self.waiting.extendleft(entry for entry in reversed(entries) if entry.lazy)
        waiting = [entry for entry in entries if not entry.lazy]
        self.refused += len(waiting)
        refuse(waiting, self._trouble)

    def _write_outcomes(self) -> bool:
        """Write the outcomes of calls already under way, in the space that is left. False: the disk says no."""
        batch: list[Entry] = []
        try:
            self.entries.mend()
            while self.waiting:
                batch = self._take(min(len(self.waiting), _MAX_BATCH))
                self._write(batch)
                batch = []
        except (OSError, AuditDamaged) as error:
            if isinstance(error, AuditDamaged):
                self._trouble = str(error)
            self.waiting.extendleft(reversed(batch))
            with suppress(OSError):
                self.entries.cut()
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
        refused, lost = self.refused, self.lost
        gap = {
            "refused": refused,
            "lost": lost,
            "since": timestamp(self._trouble_since),
            "until": timestamp(self._clock()),
            "cause": self._trouble,
        }
        nobody: concurrent.futures.Future[int] = concurrent.futures.Future()
        entry = Entry({"type": "audit.gap", "gap": gap}, nobody, None, lazy=True)
        self.waiting.append(entry)
        if self._write_outcomes():
            self.refused -= refused  # who was refused while this was written is told of next time
            self.lost -= lost
            self._trouble = ""
            _LOG.warning("audit log %s: written again; the gap is on record", self._layout.directory)
        else:
            self.waiting.remove(entry)
