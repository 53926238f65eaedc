"""From records to an exporter of spans, in a thread of its own: bounded, counted, never in anybody's way."""

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from telemetry.spans import SpanBuilder

_LOG = logging.getLogger(__name__)
_BATCH = 64
_EVERY = 1.0
_MOST_RECORDS = 8192


class SpanPipeline:
    """`offer` records from anywhere; when the queue is full the oldest are dropped and counted."""

    def __init__(self, builder: SpanBuilder, exporter: SpanExporter) -> None:
        self._builder = builder
        self._exporter = exporter
        self._records: deque[Mapping[str, Any]] = deque(maxlen=_MOST_RECORDS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="countersign-spans", daemon=True)
        self.exported = 0
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def offer(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Never blocks. Subscribe this to a recorder."""
        room = _MOST_RECORDS - len(self._records)
        self.dropped += max(0, len(records) - room)
        self._records.extend(records)

    def close(self, within: float = 2.0) -> None:
        """Export what is there, but take no longer than this: the rest is dropped."""
        self._stop.set()
        self._thread.join(within)
        self._exporter.shutdown()
        if self._thread.is_alive():
            self._thread.join(0.5)
        self.dropped += len(self._records)

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            self._drain()
        self._drain()

    def _drain(self) -> None:
        spans: list[ReadableSpan] = []
        while self._records:
            try:
                spans += self._builder.feed(self._records.popleft())
            except Exception:  # noqa: BLE001 - one odd record must not end the export of all others
                self.dropped += 1
                _LOG.exception("no span can be made of a record")
            if len(spans) >= _BATCH:
                self._export(spans)
                spans = []
                # Let the event loop have the interpreter: it would wait a whole switch interval otherwise.
                time.sleep(0.0005)
        if spans:
            self._export(spans)

    def _export(self, spans: list[ReadableSpan]) -> None:
        try:
            result = self._exporter.export(spans)
        except Exception:  # noqa: BLE001 - an exporter's bug is lost spans, nothing more
            _LOG.exception("the exporter of spans failed")
            result = SpanExportResult.FAILURE
        if result is SpanExportResult.SUCCESS:
            self.exported += len(spans)
        else:
            self.dropped += len(spans)
