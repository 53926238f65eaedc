"""From records to an exporter, in a thread of its own."""

import threading

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from telemetry.exporters import pipeline as module
from telemetry.exporters.pipeline import SpanPipeline
from telemetry.spans import SpanBuilder
from tests.fakes.audit_records import as_stored, completed, decided, recording
from tests.fakes.waiting import within


class Kept(SpanExporter):
    """Keeps what it is given; fails, raises or hangs on command."""

    def __init__(self, result=SpanExportResult.SUCCESS, error=None, hang=None):
        self.spans, self.result, self.error, self.hang = [], result, error, hang
        self.closed = False

    def export(self, spans):
        if self.hang is not None:
            self.hang.wait(10)
        if self.error is not None:
            raise self.error
        self.spans += spans
        return self.result

    def shutdown(self):
        self.closed = True
        if self.hang is not None:
            self.hang.set()


def test_from_the_log_to_the_exporter(tmp_path):
    """What is recorded is exported when everything is closed, in order and complete."""
    exporter = Kept()
    pipeline = SpanPipeline(SpanBuilder({}), exporter)
    pipeline.start()
    with recording(tmp_path) as recorder:
        recorder.subscribe(pipeline.offer)
        for number in range(100):
            recorder.append_blocking(decided(f"call_{number}"))
            recorder.append_nowait(completed(f"call_{number}"))
    pipeline.close()
    assert (len(exporter.spans), pipeline.exported, pipeline.dropped, exporter.closed) == (200, 200, 0, True)


def test_failures_are_counted_and_survived():
    """Spans that an exporter does not take, or fails on, are counted as dropped."""
    for exporter in (Kept(SpanExportResult.FAILURE), Kept(error=RuntimeError("a bug"))):
        pipeline = SpanPipeline(SpanBuilder({}), exporter)
        pipeline.offer(as_stored([decided(outcome="deny")]))
        pipeline._drain()
        assert (pipeline.exported, pipeline.dropped) == (0, 1)


def test_an_odd_record_costs_only_itself():
    """A record that no span can be made of does not end the export of the others."""
    exporter = Kept()
    pipeline = SpanPipeline(SpanBuilder({}), exporter)
    good = as_stored([decided(outcome="deny")])
    pipeline.offer([good[0] | {"ts": None}, *good])
    pipeline._drain()
    assert (len(exporter.spans), pipeline.dropped) == (1, 1)


def test_the_queue_is_bounded(monkeypatch):
    """When nobody takes records the oldest fall out, and are counted."""
    pipeline = SpanPipeline(SpanBuilder({}), Kept())
    pipeline._records = type(pipeline._records)(maxlen=module._MOST_RECORDS)
    pipeline.offer([{}] * module._MOST_RECORDS)
    pipeline.offer([{"last": True}])
    assert (len(pipeline._records), pipeline.dropped, pipeline._records[-1]) == (
        module._MOST_RECORDS,
        1,
        {"last": True},
    )


def test_closing_does_not_wait_for_a_dead_collector():
    """Closing takes no longer than it was given, whatever the exporter does."""
    exporter = Kept(hang=threading.Event())
    pipeline = SpanPipeline(SpanBuilder({}), exporter)
    pipeline.offer(as_stored([decided(outcome="deny")]))
    pipeline.start()
    with within(2):
        pipeline.close(within=0.1)
    assert exporter.closed
