"""Spans to the configured collector, if there is one; without one, nothing leaves the machine."""

import contextlib
from collections.abc import Iterator
from importlib.metadata import version

from proxy.credentials.references import References
from proxy.errors import CountersignError, Refused
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
    headers = _headers(settings)
    resource = {"service.name": "countersign", "service.version": version("countersign-proxy")}
    pipeline = SpanPipeline(SpanBuilder(resource), OtlpJsonExporter(endpoint, headers=headers))
    recorder.subscribe(pipeline.offer)
    pipeline.start()
    try:
        yield pipeline
    finally:
        pipeline.close()


def _headers(settings: Settings) -> dict[str, str]:
    """The headers with their secrets; one that cannot be read is a mistake to mend before we start."""
    references, headers = References(), {}
    for name, reference in settings.telemetry.headers.items():
        try:
            headers[name] = references.read(reference).value
        except Refused as refused:
            why = refused.refusal.internal
            raise CountersignError(f"telemetry.headers.{name}: the secret cannot be read: {why}") from refused
    return headers
