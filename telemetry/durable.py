"""Small files of a log: whole or not there at all, also when the power fails. For a log's one writer."""

import os
from pathlib import Path

PRIVATE = 0o600


def replace_file(path: Path, text: str, mode: int = 0o644) -> None:
    """The file holds this in place of what it held; durable when it returns. Raises `OSError`."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # what a crash left, whatever its mode
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """What was made, renamed or removed in this directory stays so. Raises `OSError`."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
