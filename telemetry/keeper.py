"""Off the path of a call: the tree, the signed heads, the salts, and those who listen to records."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from telemetry.checkpoint import Checkpoint, sign_checkpoint
from telemetry.durable import replace_file
from telemetry.hashes import HashFiles
from telemetry.history import History
from telemetry.layout import Layout
from telemetry.note import Signer
from telemetry.salts import Salts

_LOG = logging.getLogger(__name__)
_TICK = 0.25
_SIGN_EVERY = 1.0
_SIGN_EVERY_IDLE = 60.0

type Listener = Callable[[Sequence[Mapping[str, Any]]], None]


class Keeper:
    """One thread. It signs the grown tree each second, and each minute when idle, so that silence shows."""

    def __init__(self, layout: Layout, tree: HashFiles, history: History, signer: Signer, salts: Salts) -> None:
        self._layout = layout
        self._salts = salts
        self._tree = tree
        self._history = history
        self._signer = signer
        self._origin = signer.name
        self._arrived: deque[tuple[list[bytes], Sequence[Mapping[str, Any]]]] = deque()
        self._owed: list[bytes] = []
        self._listeners: list[Listener] = []
        self._stop = threading.Event()
        self._signed_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="countersign-audit-keeper", daemon=True)
        self.head: Checkpoint | None = None
        self.unsigned_since: float | None = None
        self.failure = ""
        self._salts_wait = False

    def start(self, head: Checkpoint | None) -> None:
        """Go on from the last signed head. Raises `OSError` if there is none yet and none can be signed."""
        self.head = head
        if head is None:
            self._sign_if_due(final=False)  # before the first record: then records without any head were set back
        self._thread.start()

    def add(self, leaves: list[bytes], records: Sequence[Mapping[str, Any]]) -> None:
        """What has become durable, in order. Called by the writer; costs one append."""
        if self.unsigned_since is None:
            self.unsigned_since = time.monotonic()
        self._arrived.append((leaves, records if self._listeners else ()))

    def subscribe(self, listener: Listener) -> None:
        """Give each batch of durable records to this function, in this thread. What it raises is logged."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Sign the last head. Call it after the writer has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._work(final=True)

    def _run(self) -> None:
        while not self._stop.wait(_TICK):
            self._work(final=False)

    def _work(self, *, final: bool) -> None:
        self._drain()
        self._keep_salts()
        try:
            self._extend_tree()
            self._sign_if_due(final=final)
        except OSError as error:
            if not self.failure:
                _LOG.error("audit log %s: the head cannot be signed: %s", self._layout.directory, error)
            self.failure = str(error)
        else:
            if self.failure:
                _LOG.warning("audit log %s: heads are signed again", self._layout.directory)
            self.failure = ""

    def _drain(self) -> None:
        while self._arrived:
            leaves, records = self._arrived.popleft()
            self._owed.extend(leaves)
            for listener in self._listeners:
                try:
                    listener(records)
                except Exception:  # noqa: BLE001 - an exporter's bug must not end the signing of heads
                    _LOG.exception("a listener to the audit log failed")

    def _keep_salts(self) -> None:
        place = self._layout.directory
        try:
            self._salts.flush()
        except OSError as error:  # kept in memory, for the next round; the records themselves are complete
            if not self._salts_wait:
                _LOG.warning("audit log %s: salts cannot be written yet: %s", place, error)
            self._salts_wait = True
        else:
            if self._salts_wait:
                _LOG.warning("audit log %s: salts are written again", place)
            self._salts_wait = False

    def _extend_tree(self) -> None:
        if self._owed:
            self._tree.append(self._owed)
            self._owed = []

    def _sign_if_due(self, *, final: bool) -> None:
        size = self._tree.frontier.size
        grown = self.head is None or size > self.head.size
        age = time.monotonic() - self._signed_at
        if not (grown and (final or age >= _SIGN_EVERY)) and age < _SIGN_EVERY_IDLE:
            return
        head = Checkpoint(self._origin, size, self._tree.frontier.root())
        note = sign_checkpoint(head, self._signer)
        if grown:
            self._history.append(note, sync=final)
        replace_file(self._layout.checkpoint, note)
        if final:
            self._tree.sync()
        self.head, self._signed_at = head, time.monotonic()
        self.unsigned_since = time.monotonic() if self._arrived else None
