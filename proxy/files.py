"""Small files that are there whole or not at all, and stay there when the power fails."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from telemetry.durable import sync_directory

PRIVATE = 0o600

type Marks = tuple[tuple[str, tuple[int, ...]], ...]


def marks(places: Iterable[Path]) -> Marks:
    """What differs when one of these files, or a file right in one of these folders, was written, put or removed.

    Not one byte of them is read. Never raises: what cannot be looked at has a mark of its own.
    """
    found: list[tuple[str, tuple[int, ...]]] = []
    for place in places:
        found.append((str(place), _mark(place)))
        with contextlib.suppress(OSError):  # no folder, or one that is gone: its own mark says so
            inside = sorted(path for path in place.iterdir() if not path.name.startswith("."))
            found.extend((path.name, _mark(path)) for path in inside)
    return tuple(found)


def _mark(path: Path) -> tuple[int, ...]:
    try:
        is_now = path.stat()  # of what a link points at: a mounted configuration swaps links
    except (OSError, ValueError):
        return ()
    return is_now.st_dev, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns, is_now.st_ctime_ns


def replace_file(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """The file holds this in place of what it held; durable when it returns. Raises `OSError`."""
    with _draft(path, data, mode) as draft:
        draft.replace(path)
    sync_directory(path.parent)


def publish_once(path: Path, data: bytes) -> None:
    """The file holds this, unless it is there already: who start together agree on what the first one wrote.

    Only we may read it. Raises `OSError`.
    """
    with _draft(path, data, PRIVATE) as draft, contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)
    sync_directory(path.parent)


def open_to_others(folder: Path) -> str:
    """What to do about a folder that others may enter, where ours lies in it; empty if they may not, or there is none.

    Raises `OSError`.
    """
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except FileNotFoundError:
        return ""
    closed = not mode & 0o077
    return "" if closed else f"others may enter it (mode {mode:04o}), and it holds keys: `chmod 700 {folder}`"


@contextlib.contextmanager
def _draft(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """The content in a file beside, which is gone at the end."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
