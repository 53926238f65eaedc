"""Revocations that the store could not take: kept in a file of their own, until it has them."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from policies.model import Json
from proxy.errors import CountersignError
from proxy.files import PRIVATE, replace_file
from proxy.strict_json import loads
from proxy.tasks.interfaces import Revocation
from proxy.tasks.scopes import checked_scope
from telemetry.durable import sync_directory

NAME = "unstored-revocations.jsonl"

_TEXTS = ("by", "reason")


@dataclass(frozen=True, slots=True)
class Unstored:
    """A revocation that is in force, and what is still to be done about it.

    `entry` is what the audit log did not take; None if it is on record. `stored`: the store has it.
    """

    revocation: Revocation
    entry: Mapping[str, Json] | None = None
    stored: bool = False

    @property
    def done(self) -> bool:
        return self.stored and self.entry is None


class UnstoredFile:
    """One line each, readable by the operator alone. Whatever fails raises `OSError`."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME

    def add(self, row: Unstored) -> None:
        """Durable when it returns."""
        data, new = _lines((row,)), not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND, PRIVATE)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if new:
            sync_directory(self._path.parent)

    def replace(self, rows: Sequence[Unstored]) -> None:
        """These rows in place of all; durable when it returns. Without rows there is no file."""
        if rows:
            replace_file(self._path, _lines(rows))
        else:
            self._path.unlink(missing_ok=True)
            sync_directory(self._path.parent)

    def exists(self) -> bool:
        """Whether there is anything in it, sound or not."""
        return self._path.exists()

    def read(self) -> tuple[Unstored, ...]:
        """Every row. A line that cannot be read is a mistake: it may be what keeps an agent out."""
        try:
            text = self._path.read_text("utf-8", "replace")
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise CountersignError(f"{self._path}: cannot be read: {error.strerror}") from error
        lines = text.split("\n")
        # What was not written to its end was never confirmed to anybody: the last line ends with a newline.
        return tuple(self._row(line, number) for number, line in enumerate(lines[:-1], 1) if line.strip())

    def _row(self, line: str, number: int) -> Unstored:
        try:
            found: Any = loads(line.encode())
            revocation = Revocation(**found["revocation"])
            checked_scope(revocation.scope)
            if not _sound(found["revocation"]) or not isinstance(found["entry"], dict | None):
                raise ValueError("a field is not what it must be")
            return Unstored(revocation, found["entry"], found["stored"] is True)
        except (CountersignError, ValueError, TypeError, KeyError) as error:
            raise CountersignError(
                f"{self._path}:{number}: this revocation cannot be read; "
                "remove the line if you know that it is not needed, or revoke again what it ended"
            ) from error


def _lines(rows: Sequence[Unstored]) -> bytes:
    return "".join(json.dumps(asdict(row)) + "\n" for row in rows).encode()


def _sound(fields: Mapping[str, Any]) -> bool:
    at = fields["at"]
    timed = isinstance(at, int | float) and not isinstance(at, bool)
    return timed and fields["kind"] in {"revoke", "freeze"} and all(isinstance(fields[it], str) for it in _TEXTS)
