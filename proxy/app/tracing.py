"""Spans to the configured collector, if there is one; without one, nothing leaves the machine."""

import contextlib
from collections.abc import Iterator
from importlib.metadata import version

from proxy.credentials.references import References
from proxy.settings import Settings
from telemetry.exporters.otlp import OtlpJsonExporter
from telemetry.exporters.pipeline import SpanPipeline
from telemetry.recorder import Recorder
from telemetry.spans import SpanBuilder


@contextlib.contextmanager
def spans_to(settings: Settings, recorder: Recorder) -> Iterator[SpanPipeline | None]:
    """The pipeline, fed by the recorder, off the path of every call."""
    endpoint = settings.telemetry.otlp_endpoint
    if endpoint is None:
        yield None
        return
    references = References()
    headers = {name: references.read(reference).value for name, reference in settings.telemetry.headers.items()}
    resource = {"service.name": "countersign", "service.version": version("countersign-proxy")}
    pipeline = SpanPipeline(SpanBuilder(resource), OtlpJsonExporter(endpoint, headers=headers))
    recorder.subscribe(pipeline.offer)
    pipeline.start()
    try:
        yield pipeline
    finally:
        pipeline.close()
