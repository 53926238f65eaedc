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


def check_keys(
    document: Document, jwks_file: Path | None, ca_bundle: Path | None, made: Callable[[], object], *at: str | int
) -> Iterator[Mistake]:
    """The mistakes of who is believed by keys: what `made` says of it, and the files that it names."""
    yield from check_made(document, made, *at)
    yield from check_key_set(document, jwks_file, "a JWK set", *at, "jwks_file")
    yield from check_pem(document, ca_bundle, "CERTIFICATE", *at, "ca_bundle")


def check_made(document: Document, made: Callable[[], object], *at: str | int) -> Iterator[Mistake]:
    """A mistake at this setting if what is made of it is refused with a `ValueError`."""
    try:
        made()
    except ValueError as error:
        yield document.mistake(at, str(error))


def check_key_set(document: Document, path: Path | None, what: str, *at: str | int) -> Iterator[Mistake]:
    """A mistake at this setting if its file is not a set of keys. The keys are judged by who reads them."""
    yield from check_file(document, path, lambda raw: b'"keys"' in raw, what, *at)


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
