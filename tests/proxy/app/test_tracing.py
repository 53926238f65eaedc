"""Spans to a real collector on loopback: what it gets of allowed and of refused calls, and why we would not start."""

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from proxy.app.tracing import spans_to
from proxy.errors import CountersignError
from proxy.settings.model import Settings, Telemetry
from tests.fakes.world import get, mcp, run

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, CLIENT = 2, 3


class Collector(ThreadingHTTPServer):
    """Keeps every span that it is sent, by name, and the headers that came with them."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans = []
        self.headers = []
        self.resources = []
        self.paths = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
        self.server.headers.append(dict(self.headers.items()))
        self.server.paths.append(self.path)
        for group in json.loads(body)["resourceSpans"]:
            self.server.resources.append(attributes(group["resource"]["attributes"]))
            for scope in group["scopeSpans"]:
                self.server.spans += scope["spans"]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Quiet."""


def attributes(pairs) -> dict:
    return {pair["key"]: next(iter(pair["value"].values())) for pair in pairs}


@contextmanager
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(endpoint: str | None, **headers: str) -> Settings:
    return Settings(telemetry=Telemetry(otlp_endpoint=endpoint, headers=headers))


def test_an_allowed_and_a_refused_call_reach_the_collector(tmp_path, monkeypatch):
    """An allowed call is a server span with a client span below it; a refused one is a server span, with its reason."""
    monkeypatch.setenv("OTLP_TOKEN", "collector-token-1")

    async def scenario(house):
        with spans_to(settings(there.url, authorization="env:OTLP_TOKEN"), house.recorder) as pipeline:
            released = await house.released(get())
            house.answer(released)
            await house.refused(get("/v1/exports/customers"))
            await house.records()
            await asyncio.to_thread(house.recorder.close)  # everything durable has been offered
        assert (pipeline.exported, pipeline.dropped) == (3, 0)
        allowed = released.decided.described.attributed.arrived.call_id
        by_call = {}
        for span in there.spans:
            by_call.setdefault(attributes(span["attributes"])["countersign.call.id"], []).append(span)
        client, server = sorted(by_call.pop(allowed), key=lambda span: -span["kind"])
        assert (server["kind"], client["kind"]) == (SERVER, CLIENT)
        assert server["traceId"] == client["traceId"] == released.trace_id
        assert (server["spanId"], "parentSpanId" in server) == (released.span_id, False)
        assert client["parentSpanId"] == server["spanId"]
        assert client["spanId"] == dict(released.upstream.headers)["traceparent"].split("-")[2]
        known = attributes(server["attributes"])
        assert known["countersign.agent.owner"] == "olivia"
        assert known["countersign.decision.outcome"] == "allow"
        assert known["countersign.call.operation"] == "crm/get_customer"
        assert known["http.response.status_code"] == "200"
        ((refused,),) = by_call.values()
        assert refused["kind"] == SERVER
        told = attributes(refused["attributes"])
        assert (told["countersign.decision.outcome"], told["http.response.status_code"]) == ("deny", "403")
        assert told["error.type"] == "no_permit"
        text = json.dumps([there.spans, there.resources])
        assert "crm-secret-4711" not in text
        assert "ada-lovelace" not in text

    with collector() as there:
        run(tmp_path, scenario)
        assert set(there.paths) == {"/v1/traces"}
        assert {sent["authorization"] for sent in there.headers} == {"collector-token-1"}
        assert there.resources[0]["service.name"] == "countersign"


def test_an_agent_cannot_switch_its_tracing_off(tmp_path):
    """An inbound `traceparent` that says "not sampled" is a link, and its spans are exported all the same."""

    async def scenario(house):
        with spans_to(settings(there.url), house.recorder):
            call = mcp("tools/call", {"name": "search_notes", "arguments": {}})
            house.answer(await house.released(call, traceparent=f"00-{TRACE}-{SPAN}-00"))
            await house.records()
            await asyncio.to_thread(house.recorder.close)
        server = next(span for span in there.spans if span["kind"] == SERVER)
        assert server["flags"] & 1 == 1
        assert server["traceId"] != TRACE
        assert (server["links"][0]["traceId"], server["links"][0]["spanId"]) == (TRACE, SPAN)

    with collector() as there:
        run(tmp_path, scenario)


def test_without_an_endpoint_nothing_is_sent(tmp_path):
    """No collector configured: no pipeline, no thread, no listener."""

    async def scenario(house):
        with spans_to(settings(None), house.recorder) as pipeline:
            assert pipeline is None

    run(tmp_path, scenario)


@pytest.mark.parametrize("reference", ["env:NOT_THERE", "file:/not/there"])
def test_a_header_whose_secret_is_missing_stops_the_start(tmp_path, reference):
    """Said before we serve, with the setting's name, the reference and why; not on some call later."""

    async def scenario(house):
        wanted = f"telemetry.headers.x-token: the secret cannot be read: {reference}: "
        with (
            pytest.raises(CountersignError, match=wanted),
            spans_to(settings("http://127.0.0.1:9", **{"x-token": reference}), house.recorder),
        ):
            pass

    run(tmp_path, scenario)


def test_a_collector_that_is_down_disturbs_no_call(tmp_path, caplog):
    """Calls pass, and closing does not wait for long; what was lost is counted."""

    async def scenario(house):
        with spans_to(settings("http://127.0.0.1:9"), house.recorder) as pipeline:
            house.answer(await house.released(get()))
            await house.records()
            await asyncio.to_thread(house.recorder.close)
        assert (pipeline.exported, pipeline.dropped) == (0, 2)
        assert "spans were not taken" in caplog.text

    run(tmp_path, scenario)
