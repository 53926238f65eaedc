"""From a reference to a secret: `env:NAME` or `file:/PATH`, read at the moment of use."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from proxy.documents import shown
from proxy.errors import Refused, refuse
from proxy.stages import Secret

_ENV = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")
_FILE = re.compile(r"file:(.+)", re.DOTALL)
_MAX_BYTES = 16 * 1024
_MOST_FILES = 1024

# A shorter one could not be told from ordinary text in an answer, so an echo of it could not be caught.
MIN_LENGTH = 8


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: tuple[int, int, int, int]
    value: str = field(repr=False)


class References:
    """Reads secrets. Values are in no message and no log; a secret that cannot be read is a refusal (503)."""

    def __init__(self) -> None:
        self._files: dict[str, _Read] = {}

    def read(self, reference: str) -> Secret:
        """The secret behind this reference, as it is now, fit to stand in a header."""
        return checked(reference, self._value(reference))

    def read_key(self, reference: str) -> Secret:
        """The private key behind this reference: text of several lines, which never goes upstream."""
        value = self._value(reference)
        if len(value) < MIN_LENGTH:
            raise unavailable(reference, f"fewer than {MIN_LENGTH} characters")
        return Secret(reference, value)

    def _value(self, reference: str) -> str:
        if match := _ENV.fullmatch(reference):
            value = os.environ.get(match[1])
            if value is None:
                raise unavailable(reference, "the variable is not set")
            return value
        if match := _FILE.fullmatch(reference):
            return self._file(reference, Path(match[1]))
        raise unavailable(reference, "a reference is `env:NAME` or `file:PATH`")

    def _file(self, reference: str, path: Path) -> str:
        if not path.is_absolute():
            raise unavailable(reference, "a relative path, which would depend on where we were started")
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            known = self._files.get(reference)
            if known is not None and known.stamp == stamp:
                return known.value
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                raise unavailable(reference, "not a regular file of at most 16 KiB")
            value = path.read_bytes().decode("utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:
            self._files.pop(reference, None)
            raise unavailable(reference, type(error).__name__) from None  # the cause may quote the content
        if len(self._files) >= _MOST_FILES:
            self._files.clear()
        self._files[reference] = _Read(stamp, value)
        return value


def loose_permissions(reference: str) -> str | None:
    """A warning for people if others may use a secret's file; None if they may not, or it is not there."""
    match = _FILE.fullmatch(reference)
    path = Path(match[1]) if match is not None else None
    try:
        if path is None or not path.stat().st_mode & 0o077:
            return None
    except (OSError, ValueError):
        return None
    return f"others than its owner may read the secret in `{shown(path)}`; chmod 600 it"


def checked(reference: str, value: str) -> Secret:
    """The secret, if a header can carry it and an echo of it could be told from ordinary text; else a refusal."""
    if len(value) < MIN_LENGTH:
        raise unavailable(reference, f"fewer than {MIN_LENGTH} characters")
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise unavailable(reference, "characters that a header cannot carry")
    return Secret(reference, value)


def unavailable(reference: str, why: str) -> Refused:
    """The refusal of a call whose credential cannot be had."""
    return refuse(
        "credential_unavailable",
        503,
        "The credential for this service cannot be had at the moment, so the call did not pass.",
        "retry",
        internal=f"{reference}: {why}",
    )
