"""Reading a log that may be growing: never needs the writer, never holds more than one record."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict, Unpack

import orjson

from telemetry.errors import AuditDamaged
from telemetry.layout import Layout

_POLL = 0.1
_BLOCK = 64 * 1024


def lines(directory: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """(index, stored bytes) of each whole record from index `start`. An unfinished last line is not one yet."""
    segments = Layout(directory).segments()
    for number, (first, path) in enumerate(segments):
        if number + 1 < len(segments) and segments[number + 1][0] <= start:
            continue
        with path.open("rb") as file:
            for index, line in enumerate(file, first):
                if not line.endswith(b"\n"):
                    break
                if index >= start:
                    yield index, line[:-1]


def parse(line: bytes, index: int) -> dict[str, Any]:
    """The record in a stored line. Raises `AuditDamaged`, naming the record, if it is none."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise AuditDamaged(f"record {index} is not JSON: run `countersign audit verify`") from error
    if not isinstance(record, dict):
        raise AuditDamaged(f"record {index} is not an object: run `countersign audit verify`")
    return record


def records(directory: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """Each record from index `start`, oldest first."""
    for index, line in lines(directory, start):
        yield parse(line, index)


def newest(directory: Path, before: int | None = None) -> Iterator[dict[str, Any]]:
    """Each record, newest first; with `before`, those with a smaller index."""
    segments = Layout(directory).segments()
    for first, path in reversed(segments):
        if before is not None and first >= before:
            continue
        for line in _backwards(path):
            record = parse(line, first)
            if before is None or record.get("idx", first) < before:
                yield record


def tail(directory: Path, count: int) -> list[dict[str, Any]]:
    """The last `count` records, oldest first."""
    found: deque[dict[str, Any]] = deque()
    for record in newest(directory):
        if len(found) >= count:
            break
        found.appendleft(record)
    return list(found)


def follow(directory: Path, start: int, stop: threading.Event) -> Iterator[dict[str, Any]]:
    """Each record from index `start`, then each new one as it comes, until `stop` is set."""
    position = _Position(directory, start)
    while True:
        for index, line in position.advance():
            yield parse(line, index)
        if stop.wait(_POLL):
            return


class _Position:
    """Where a follower stands: only what is new is read again."""

    def __init__(self, directory: Path, start: int) -> None:
        self._layout = Layout(directory)
        self._start = start
        self._index = -1
        self._first = -1
        self._offset = 0

    def advance(self) -> Iterator[tuple[int, bytes]]:
        while True:
            segments = self._layout.segments()
            if self._first < 0:
                self._begin([first for first, _ in segments])
            if self._first < 0:
                return
            with self._layout.segment(self._first).open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    index, self._index = self._index, self._index + 1
                    self._offset += len(line)
                    if index >= self._start:
                        yield index, line[:-1]
            if self._index == self._first or not any(first == self._index for first, _ in segments):
                return
            self._first, self._offset = self._index, 0

    def _begin(self, firsts: list[int]) -> None:
        before = [first for first in firsts if first <= self._start] or firsts[:1]
        if before:
            self._first = self._index = before[-1]


class Wanted(TypedDict, total=False):
    """What records must be of. `root` is who is behind a call, such as `human:alice`. Empty: no matter.

    Of a `txn` are those that say what its service was told.
    """

    call: str
    task: str
    hold: str
    trace: str
    txn: str
    agent: str
    root: str


def find(directory: Path, *, kind: str = "", limit: int = 1000, **wanted: Unpack[Wanted]) -> list[dict[str, Any]]:
    """The newest `limit` records, oldest first, of what is wanted: all that is given must match.

    With `kind` only those whose type begins so, such as `task.`.
    """
    sought = [(name, str(value)) for name, value in wanted.items() if value]
    if not sought:
        raise ValueError("say which call, task, hold or transaction to find")
    needles = [value.encode() for _, value in sought] + [f'"{kind}'.encode()]
    found: deque[dict[str, Any]] = deque()
    for first, path in reversed(Layout(directory).segments()):
        for line in _backwards(path):
            if not all(needle in line for needle in needles):
                continue
            record = parse(line, first)
            of_kind = str(record.get("type", "")).startswith(kind)
            if of_kind and all(_MATCH[name](record) == value for name, value in sought):
                found.appendleft(record)
                if len(found) >= limit:
                    return list(found)
    return list(found)


def _id_of(section: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: (record.get(section) or {}).get("id")


_MATCH: dict[str, Callable[[dict[str, Any]], object]] = {
    "call": lambda record: record.get("call"),
    "task": lambda record: record.get("task"),
    "hold": _id_of("approval"),
    "trace": _id_of("trace"),
    "txn": lambda record: record.get("downstream") and _id_of("trace")(record),
    "agent": _id_of("agent"),
    "root": lambda record: ((record.get("delegation") or {}).get("chain") or [None])[0],
}


def _backwards(path: Path) -> Iterator[bytes]:
    """The whole lines of a file, last first, in blocks."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        rest = b""
        ended = False
        while place:
            start = max(0, place - _BLOCK)
            file.seek(start)
            pieces = (file.read(place - start) + rest).split(b"\n")
            place, rest = start, pieces[0]
            for piece in reversed(pieces[1:]):
                if ended:
                    yield piece
                ended = True
        if ended:
            yield rest
