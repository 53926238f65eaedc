"""OTLP over HTTP, against a real server on loopback."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from opentelemetry.sdk.trace.export import SpanExportResult

from telemetry import names
from telemetry.exporters import otlp
from telemetry.exporters.otlp import OtlpJsonExporter, encode
from telemetry.spans import SpanBuilder
from tests.fakes.audit_records import SPAN, TRACE, as_stored, completed, decided, resumed
from tests.fakes.waiting import PATIENCE, within


def some_spans():
    builder = SpanBuilder({names.SERVICE_NAME: "countersign"})
    return [span for record in as_stored([decided(), completed()]) for span in builder.feed(record)]


class Collector:
    """Takes what is posted; answers with the next of `answers`, then 200."""

    def __init__(self):
        self.requests = []
        self.answers = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.requests.append((self.path, dict(self.headers), body))
                status, headers = collector.answers.pop(0) if collector.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture
def exporter(collector):
    exporter = OtlpJsonExporter(collector.url + "/", {"x-tenant": "acme"})
    yield exporter
    exporter.shutdown()


def test_spans_arrive(collector, exporter):
    """A batch arrives as gzipped OTLP JSON at /v1/traces, with the headers that were configured."""
    assert exporter.export(some_spans()) is SpanExportResult.SUCCESS
    ((path, headers, body),) = collector.requests
    assert path == "/v1/traces"
    assert (headers["content-type"], headers["content-encoding"], headers["x-tenant"]) == (
        "application/json",
        "gzip",
        "acme",
    )
    (resource,) = json.loads(gzip.decompress(body))["resourceSpans"]
    assert resource["resource"]["attributes"] == [{"key": "service.name", "value": {"stringValue": "countersign"}}]
    (scope,) = resource["scopeSpans"]
    assert (scope["scope"]["name"], scope["schemaUrl"]) == (names.SCOPE, names.SCHEMA_URL)
    client, server = scope["spans"]
    assert (client["traceId"], client["parentSpanId"], client["kind"]) == (TRACE, SPAN, 3)
    assert (server["spanId"], server["kind"], server["name"]) == (SPAN, 2, "POST refund")
    assert "parentSpanId" not in server
    assert int(server["endTimeUnixNano"]) > int(server["startTimeUnixNano"])
    attributes = {item["key"]: item["value"] for item in server["attributes"]}
    assert attributes["http.response.status_code"] == {"intValue": "200"}
    assert attributes["countersign.delegation.chain"] == {
        "arrayValue": {"values": [{"stringValue": "human:alice"}, {"stringValue": "agent:researcher"}]}
    }


def test_links_and_errors_are_encoded():
    """Links, remote parents and the status of a failed span are in the encoding."""
    builder = SpanBuilder({})
    end = {"type": "call.aborted", "call": "call_1", "error": {"reason": "revoked", "status": 503}}
    held = decided("call_0", "hold", approval={"id": "hold_1"})
    spans = [span for record in as_stored([held, resumed(), end]) for span in builder.feed(record)][1:]
    _, server = json.loads(encode(spans))["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert server["links"][0]["spanId"] == SPAN
    assert server["status"] == {"code": 2, "message": "revoked"}
    assert otlp._value(1.5) == {"doubleValue": 1.5}
    assert otlp._value(True) == {"boolValue": True}


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_busy_collector_is_asked_again(collector, exporter, status):
    """A passing failure is tried again, after the time the collector asks for."""
    collector.answers = [(status, {"retry-after": "0"})]
    assert exporter.export(some_spans()) is SpanExportResult.SUCCESS
    assert len(collector.requests) == 2


def test_a_refused_batch_is_dropped(collector, exporter):
    """A batch that the collector will never take is dropped at once, and counted."""
    collector.answers = [(400, {})]
    assert exporter.export(some_spans()) is SpanExportResult.FAILURE
    assert (len(collector.requests), exporter.failures) == (1, 1)


def test_a_collector_that_is_not_there(monkeypatch):
    """Without a collector the batch is dropped after a few tries, without an exception."""
    monkeypatch.setattr(otlp, "_LONGEST_PAUSE", 0.001)
    tries = []

    def refuse(request):
        tries.append(request)
        raise httpx.ConnectError("refused")

    exporter = OtlpJsonExporter("http://127.0.0.1:1/v1/traces", transport=httpx.MockTransport(refuse))
    assert exporter.export(some_spans()) is SpanExportResult.FAILURE
    assert len(tries) == 4
    assert str(tries[0].url) == "http://127.0.0.1:1/v1/traces"
    exporter.shutdown()


def test_shutting_down_ends_the_waiting(collector, exporter):
    """A shutdown ends the pauses between tries at once; afterwards nothing is sent."""
    collector.answers = [(503, {"retry-after": "8"})] * 4
    thread = threading.Thread(target=exporter.export, args=(some_spans(),))
    thread.start()
    while not collector.requests:
        pass
    exporter.shutdown()
    with within(4):
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert exporter.export(some_spans()) is SpanExportResult.FAILURE
