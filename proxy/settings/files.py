"""Files that settings name: whether they can be read, and hold what they should."""

from collections.abc import Callable, Iterator
from pathlib import Path

from proxy.documents import Document, read_bytes, shown
from proxy.errors import Mistake


def check_pem(document: Document, path: Path | None, kind: str, *at: str | int) -> Iterator[Mistake]:
    """A mistake at this setting if its file is not PEM of this kind."""

    def holds(raw: bytes) -> bool:
        return b"-----BEGIN " in raw and f"{kind}-----".encode() in raw

    yield from check_file(document, path, holds, f"a PEM {kind.lower()}", *at)


def check_file(
    document: Document, path: Path | None, fits: Callable[[bytes], bool], what: str, *at: str | int
) -> Iterator[Mistake]:
    """A mistake at this setting if its file cannot be read, or is not `what` it should be."""
    if path is None:
        return
    found: list[Mistake] = []
    raw = read_bytes(path, found)
    for mistake in found:
        yield document.mistake(at, f"`{shown(path)}` {mistake.text}")
    if raw is not None and not fits(raw):
        yield document.mistake(at, f"`{shown(path)}` does not hold {what}")
