"""Records as the path of a call makes them, and a recorder that is closed whatever happens."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from telemetry.recorder import Recorder

ORIGIN = "test.example/audit/n1"
AT = 1_790_000_000.25
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
UP = "00f067aa0ba902b8"


def decided(call: str = "call_1", outcome: str = "allow", **other: Any) -> dict[str, Any]:
    """`call.decided` (or `call.held`) with every section that a call has by then."""
    return {
        "type": "call.held" if outcome == "hold" else "call.decided",
        "at": AT,
        "call": call,
        "task": "task-77",
        "elapsed_us": 1500,
        "trace": {"id": TRACE, "span": SPAN, "up": UP, "origin": "generated"},
        "principal": {"kind": "human", "id": "alice"},
        "delegation": {
            "chain": ["human:alice", "agent:researcher"],
            "depth": 1,
            "integrity": "verified",
            "levels": ["verified"],
            "methods": ["access_token"],
        },
        "agent": {"id": "researcher", "instance": "i-1", "owner": "bob", "identity": "handle:h_1", "src": "handle"},
        "cred": {"kind": "handle", "id": "h_1"},
        "client": {"ip": "127.0.0.1"},
        "action": {
            "proto": "rest",
            "method": "POST",
            "service": "crm",
            "tool": "refund",
            "operation": "crm/refund",
            "path": "/v1/refunds",
            "digest": "sha256:" + "ab" * 32,
            "datasets": ["write:refunds"],
            "effect": "write",
            "dst": "crm.internal:443",
            "dst_class": "internal",
            "args": {"commit": "hmac-sha256:" + "cd" * 32, "shape": ["amount:integer"], "bytes": 14},
        },
        "decision": {
            "outcome": outcome,
            "would": outcome,
            "reason": "permitted" if outcome == "allow" else "large_refund",
            "rules": ["r-12"],
            "policy": "sha256:" + "ef" * 32,
            "mode": "enforce",
            "eval_us": 180,
        },
        **other,
    }


def completed(call: str = "call_1", status: int = 200, at: float = AT + 0.035) -> dict[str, Any]:
    return {
        "type": "call.completed",
        "at": at,
        "call": call,
        "task": "task-77",
        "upstream": {"status": status, "bytes": 1234, "sent": True, "first_byte_us": 30_000, "total_us": 35_000},
    }


def approval_decided(hold: str = "hold_1", state: str = "granted") -> dict[str, Any]:
    """A hold lives longer than the call that caused it, so its own records name no call."""
    return {
        "type": "approval.decided",
        "at": AT + 12.3,
        "task": "task-77",
        "approval": {"id": hold, "state": state, "by": ["bob"], "channel": "console", "wait_ms": 12_300},
    }


def resumed(call: str = "call_1", hold: str = "hold_1") -> dict[str, Any]:
    record = decided(call, "allow")
    return record | {
        "type": "call.resumed",
        "at": AT + 12.4,
        "trace": {"id": TRACE, "span": "00f067aa0ba902d1", "up": "00f067aa0ba902d2", "origin": "generated"},
        "approval": {"id": hold, "state": "executed", "by": ["bob"], "attempt": "attempt_1"},
    }


def as_stored(records: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The records as they would stand in a log, without writing one."""
    from telemetry.record import timestamp

    stored = []
    for index, record in enumerate(records):
        copy = dict(record)
        at = copy.pop("at", AT)
        stored.append(
            copy | {"v": 1, "canon": "rfc8785", "log": ORIGIN, "idx": index, "id": f"rec_{index}", "ts": timestamp(at)}
        )
    return stored


@contextmanager
def recording(directory: Path, **options: Any) -> Iterator[Recorder]:
    """A started recorder with a small reserve."""
    recorder = Recorder(directory, ORIGIN, **{"reserve_bytes": 65_536, "clock": lambda: AT} | options)
    recorder.start()
    try:
        yield recorder
    finally:
        recorder.close()


def write_log(directory: Path, records: list[dict[str, Any]]) -> None:
    """A closed log with these records."""
    with recording(directory) as recorder:
        for record in records:
            recorder.append_blocking(record)
