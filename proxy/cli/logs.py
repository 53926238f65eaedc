"""What a command says while it runs: one line on stderr for each record, for people or for programs.

What happened to calls is in the audit log; here is what a person must know of the machine. No line has the text of an
exception that was not foreseen: that may quote what an agent sent, or a secret.
"""

import contextlib
import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from proxy.blame import blame

# Of everybody else only warnings are told: below that, libraries print URLs and headers as they are sent.
OURS = ("countersign", "telemetry")
_LONGEST = 8192
_OTHERS_DETAILS = re.compile(r"\n|<|\((?!\))")


class LogLevel(StrEnum):
    """From which weight on our own records are told."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """For people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


Level = Annotated[LogLevel, typer.Option("--log-level", envvar="COUNTERSIGN_LOG_LEVEL", help="What is told on stderr.")]
Format = Annotated[
    LogFormat, typer.Option("--log-format", envvar="COUNTERSIGN_LOG_FORMAT", help="A line, or JSON, for each record.")
]


@contextlib.contextmanager
def log_lines(level: LogLevel = LogLevel.WARNING, format: LogFormat = LogFormat.TEXT) -> Iterator[None]:  # noqa: A002 - its name as an option
    """While inside, what is logged goes to stderr so; the innermost one counts."""
    root, handler = logging.getLogger(), _Handler(sys.stderr)
    handler.setFormatter(_Json() if format is LogFormat.JSON else _Text())
    outer = [each for each in root.handlers if isinstance(each, _Handler)]
    levels = {name: logging.getLogger(name).level for name in OURS}
    for each in outer:
        root.removeHandler(each)
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    try:
        yield
    finally:
        root.removeHandler(handler)
        for each in outer:
            root.addHandler(each)
        for name, before in levels.items():
            logging.getLogger(name).setLevel(before)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for type checkers alone
    """Ours, and told from those that tests and libraries add."""


class _Text(logging.Formatter):
    """`2026-11-30T00:12:55.123Z WARNING countersign.app: sweeping failed [OSError at /path/file.py:12]`."""

    def format(self, record: logging.LogRecord) -> str:
        error = _error(record)
        line = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}"
        return _printable(f"{line} [{error}]" if error else line)


class _Json(logging.Formatter):
    """The same as an object. JSON has its own escapes, so nothing is escaped twice."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {"time": _time(record), "level": record.levelname, "logger": record.name, "message": _message(record)}
        error = _error(record)
        return json.dumps({**fields, "error": error} if error else fields)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a record that cannot be put together is told as far as it goes
        message = str(record.msg)
    if record.name.partition(".")[0] not in OURS:
        message = _OTHERS_DETAILS.split(message, 1)[0]  # what follows quotes objects: exceptions, requests, arguments
    return message.strip()[:_LONGEST]


def _error(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    return blame(error) if error is not None else ""


def _printable(text: str) -> str:
    """In one line, and with nothing that a terminal obeys."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
