"""Counts of what happened, from records, as Prometheus text. No ids in labels; the number of series is bounded."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_MOST_SERIES = 2000
_OTHER = "_other"
DURATION_BUCKETS = (0.00005, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
WAIT_BUCKETS = (1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


@dataclass(slots=True)
class Counter:
    """Only grows. `inc(*values)` has one value for each label name."""

    name: str
    text: str
    labels: tuple[str, ...] = ()
    _values: dict[tuple[str, ...], int] = field(default_factory=dict)

    def inc(self, *values: str, by: int = 1) -> None:
        if values not in self._values and len(self._values) >= _MOST_SERIES:
            values = (_OTHER,) * len(self.labels)
        self._values[values] = self._values.get(values, 0) + by

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.text, "counter")
        for values, count in list(self._values.items()):
            yield f"{self.name}{_labels(self.labels, values)} {count}"


@dataclass(slots=True)
class Histogram:
    name: str
    text: str
    buckets: tuple[float, ...]
    _counts: list[int] = field(default_factory=list)
    _sum: float = 0.0

    def observe(self, value: float) -> None:
        if not self._counts:
            self._counts = [0] * (len(self.buckets) + 1)
        self._counts[bisect_left(self.buckets, value)] += 1
        self._sum += value

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.text, "histogram")
        total = 0
        for bound, count in zip((*self.buckets, None), self._counts or [0] * (len(self.buckets) + 1), strict=True):
            total += count
            edge = "+Inf" if bound is None else f"{bound:g}"
            yield f'{self.name}_bucket{{le="{edge}"}} {total}'
        yield f"{self.name}_sum {self._sum:g}"
        yield f"{self.name}_count {total}"


@dataclass(frozen=True, slots=True)
class Gauge:
    """Read when asked."""

    name: str
    text: str
    read: Callable[[], float]

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.text, "gauge")
        yield f"{self.name} {self.read():g}"


@dataclass(frozen=True, slots=True)
class Gauges:
    """One for each of a few things that the configuration names, read when asked."""

    name: str
    text: str
    label: str
    read: Callable[[], Mapping[str, float]]

    def lines(self) -> Iterator[str]:
        yield from _head(self.name, self.text, "gauge")
        for value, number in self.read().items():
            yield f"{self.name}{_labels((self.label,), (value,))} {number:g}"


class Metrics:
    """Subscribe `observe` to a recorder. One thread counts; any thread may render."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gauges: list[Gauge | Gauges] = []
        self.calls = Counter(
            "countersign_calls_total",
            "Calls by what became of them",
            ("outcome", "protocol", "effect", "service"),
        )
        self.decision = Histogram(
            "countersign_decision_duration_seconds", "Time to evaluate the policies", DURATION_BUCKETS
        )
        self.approvals = Counter("countersign_approvals_total", "Decisions of people about held calls", ("state",))
        self.approval_wait = Histogram(
            "countersign_approval_wait_duration_seconds", "How long held calls waited for a person", WAIT_BUCKETS
        )
        self.identity_failures = Counter(
            "countersign_identity_failures_total", "Callers that could not be attributed", ("reason",)
        )
        self.upstream = Counter("countersign_upstream_responses_total", "Answers of upstreams", ("class",))
        self.records = Counter("countersign_audit_records_total", "Records made durable", ("type",))

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        self._gauges.append(Gauge(name, text, read))

    def gauges(self, name: str, text: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self._gauges.append(Gauges(name, text, label, read))

    def observe(self, records: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            for record in records:
                self._observe(record)

    def _observe(self, record: Mapping[str, Any]) -> None:
        kind = str(record.get("type"))
        self.records.inc(kind)
        decision = record.get("decision") or {}
        match kind:
            case "call.decided":
                self._call(str(decision.get("outcome")), record)
                self.decision.observe(int(decision.get("eval_us", 0)) / 1_000_000)
            case "call.held":
                self._call("hold", record)
                self.decision.observe(int(decision.get("eval_us", 0)) / 1_000_000)
            case "call.refused":
                denied = decision.get("outcome") == "deny"
                self._call("deny" if denied else "refused", record)
                if "eval_us" in decision:
                    self.decision.observe(int(decision["eval_us"]) / 1_000_000)
            case "call.resumed":
                self._call("resumed", record)
            case "identity.refused":
                self.identity_failures.inc(str((record.get("error") or {}).get("reason", "")))
            case "approval.decided":
                approval = record.get("approval") or {}
                self.approvals.inc(str(approval.get("state")))
                self.approval_wait.observe(int(approval.get("wait_ms", 0)) / 1000)
            case "call.completed" | "call.aborted":
                status = int((record.get("upstream") or {}).get("status", 0))
                self.upstream.inc(f"{status // 100}xx" if status else "none")

    def _call(self, outcome: str, record: Mapping[str, Any]) -> None:
        action = record.get("action") or {}
        self.calls.inc(
            outcome, str(action.get("proto", "")), str(action.get("effect", "")), str(action.get("service", ""))
        )

    def render(self) -> str:
        """The Prometheus text format, version 0.0.4."""
        counters = (self.calls, self.approvals, self.identity_failures, self.upstream, self.records)
        with self._lock:
            families: list[Counter | Histogram | Gauge | Gauges]
            families = [*counters, self.decision, self.approval_wait, *self._gauges]
            return "".join(f"{line}\n" for family in families for line in family.lines())


def _head(name: str, text: str, kind: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    pairs = ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
