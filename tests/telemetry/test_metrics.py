"""Counts, as Prometheus text."""

from telemetry.metrics import Counter, Histogram, Metrics
from tests.fakes.audit_records import approval_decided, as_stored, completed, decided, resumed


def test_records_are_counted():
    """Each kind of record moves its counters, and the text is what a scraper reads."""
    metrics = Metrics()
    metrics.gauge("countersign_audit_tree_size", "Records in the log", lambda: 7)
    metrics.gauges("countersign_age", "Seconds", "source", lambda: {"hr": 1.5, "cmdb": 0})
    refused = {"type": "call.refused", "error": {"reason": "body_too_large"}}
    nobody = {"type": "identity.refused", "error": {"reason": "handle_unknown"}}
    metrics.observe(
        as_stored(
            [
                decided(),
                completed(),
                decided(outcome="deny"),
                decided(outcome="hold"),
                approval_decided(),
                resumed(),
                completed(status=503),
                {"type": "call.aborted"},
                refused,
                nobody,
            ]
        )
    )
    text = metrics.render()
    for line in (
        'countersign_calls_total{outcome="allow",protocol="rest",effect="write",service="crm"} 1',
        'countersign_calls_total{outcome="deny",protocol="rest",effect="write",service="crm"} 1',
        'countersign_calls_total{outcome="hold",protocol="rest",effect="write",service="crm"} 1',
        'countersign_calls_total{outcome="resumed",protocol="rest",effect="write",service="crm"} 1',
        'countersign_calls_total{outcome="refused",protocol="",effect="",service=""} 1',
        'countersign_age{source="hr"} 1.5',
        'countersign_age{source="cmdb"} 0',
        'countersign_upstream_responses_total{class="2xx"} 1',
        'countersign_upstream_responses_total{class="5xx"} 1',
        'countersign_upstream_responses_total{class="none"} 1',
        'countersign_approvals_total{state="granted"} 1',
        'countersign_identity_failures_total{reason="handle_unknown"} 1',
        'countersign_decision_duration_seconds_bucket{le="0.0001"} 0',
        'countersign_decision_duration_seconds_bucket{le="0.0003"} 3',
        'countersign_decision_duration_seconds_bucket{le="+Inf"} 3',
        "countersign_decision_duration_seconds_count 3",
        'countersign_audit_records_total{type="call.decided"} 2',
        "countersign_audit_tree_size 7",
        "# TYPE countersign_calls_total counter",
    ):
        assert line in text.splitlines(), line


def test_a_refusal_by_policy_is_a_denial():
    """A refused call that was judged and denied counts as denied, with the time that judging took."""
    metrics = Metrics()
    metrics.observe(as_stored([decided(outcome="deny") | {"type": "call.refused"}]))
    text = metrics.render()
    assert 'countersign_calls_total{outcome="deny"' in text
    assert "countersign_decision_duration_seconds_count 1" in text


def test_series_are_bounded(monkeypatch):
    """Past the limit, new label values are counted together."""
    monkeypatch.setattr("telemetry.metrics._MOST_SERIES", 2)
    counter = Counter("c", "text", ("name",))
    for name in "abcd":
        counter.inc(name)
    assert list(counter.lines())[2:] == ['c{name="a"} 1', 'c{name="b"} 1', 'c{name="_other"} 2']


def test_label_values_are_escaped():
    """A label value cannot end its quotes or its line."""
    counter = Counter("c", "text", ("name",))
    counter.inc('a"b\\c\nd')
    assert list(counter.lines())[2] == 'c{name="a\\"b\\\\c\\nd"} 1'


def test_an_empty_histogram_has_its_buckets():
    """A histogram that saw nothing is there, with zeros."""
    assert list(Histogram("h", "text", (1.0,)).lines())[2:] == [
        'h_bucket{le="1"} 0',
        'h_bucket{le="+Inf"} 0',
        "h_sum 0",
        "h_count 0",
    ]
