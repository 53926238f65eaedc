"""The inventory's sources elsewhere: looked at again and again; what they last said outlives them."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx

from policies.model import Json
from proxy.app.source_health import SourceHealth
from proxy.credentials.references import References
from proxy.documents import shown
from proxy.errors import ConfigurationError, CountersignError, Mistake, Refused
from proxy.inventory.documents import MAX_BYTES, Documents, document_path, keep, prepared
from proxy.settings import InventorySource, Settings

log = logging.getLogger("countersign.inventory")

PATIENCE = 10.0
_NAMED = 20  # mistakes, in the log and in a record

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]


def folder(settings: Settings) -> Path:
    """Where the documents of all sources are kept."""
    return settings.state / "inventory"


def document_paths(settings: Settings) -> tuple[Path, ...]:
    """The document of each source, there or not."""
    return tuple(document_path(folder(settings), source.id) for source in settings.inventory_sources)


async def first_documents(settings: Settings) -> list[Path]:
    """Before there is an inventory: of sources that never said anything, what they say now, unjudged. The new files.

    Raises `ConfigurationError` if what is kept of a source speaks of more than the settings now let it.
    """
    new: list[Path] = []
    for source in settings.inventory_sources:
        path = document_path(folder(settings), source.id)
        if path.exists():
            _, mistakes = prepared(source.id, path.read_bytes(), source.sections)
            if mistakes:
                raise ConfigurationError([Mistake(shown(path), one.line, one.field, one.text) for one in mistakes])
            continue
        if source.file is None and source.url is None:
            continue
        try:
            document, mistakes = prepared(source.id, await fetch(source), source.sections)
        except CountersignError as error:
            log.warning("inventory source %s says nothing yet: %s", source.id, error)
            continue
        for mistake in mistakes:
            log.error("not in force: %s", mistake)
        if document is not None:
            keep(path, document)
            new.append(path)
    return new


async def fetch(source: InventorySource) -> bytes:
    """What the source says now; raises `CountersignError` if it cannot be had, whole and in time."""
    try:
        if source.file is not None:
            return await asyncio.to_thread(_read, source.file)
        async with asyncio.timeout(PATIENCE):
            return await _get(source)
    except TimeoutError:
        raise CountersignError(f"no answer within {PATIENCE:.0f} s") from None
    except Refused as refused:
        raise CountersignError(f"its token cannot be read: {refused.refusal.internal}") from refused
    except OSError as error:
        raise CountersignError(f"it cannot be read: {error.strerror or type(error).__name__}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CountersignError(f"no answer: {type(error).__name__}") from error


def _written(source: InventorySource) -> float | None:
    """When a file that should come again and again was written; None where being there is all that is expected."""
    if source.file is None or source.silent_after_seconds is None:
        return None
    try:
        return source.file.stat().st_mtime
    except OSError:
        return None  # it cannot be read either, and that is said then


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


async def _get(source: InventorySource) -> bytes:
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if source.token is not None:
        headers["authorization"] = f"Bearer {References().read(source.token).value}"
    async with (
        # The environment's proxy settings are left out, since they may name us; nobody may point us elsewhere.
        httpx.AsyncClient(verify=_tls(source), trust_env=False, follow_redirects=False, timeout=PATIENCE) as client,
        client.stream("GET", source.url or "", headers=headers) as response,
    ):
        if response.status_code != 200:
            raise CountersignError(f"it answered {response.status_code}")
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > MAX_BYTES:
                break
        return bytes(body)


def _tls(source: InventorySource) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    if source.ca_bundle is not None:
        context.load_verify_locations(cafile=source.ca_bundle)
    return context


class SourceWatch:
    """Follows one source. What it says wrongly, and that it says nothing, is told once."""

    def __init__(
        self,
        source: InventorySource,
        documents: Documents,
        health: SourceHealth,
        record: Record,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._documents = documents
        self._health = health
        self._record = record
        self._clock = clock
        self._told: Sequence[str] = ()

    async def follow(self) -> None:
        """One look, after a while. The document kept last stays, whatever comes of it."""
        await asyncio.sleep(self._source.every_seconds)
        await self.look()

    async def look(self) -> None:
        """What the source says now is kept, or why not is told; who has left by it is gone either way."""
        source = self._source
        try:
            written = await asyncio.to_thread(_written, source)  # before it is read: newer than what is read, never
            raw = await fetch(source)
        except CountersignError as error:
            self._health.wrong(source.id, str(error))
            return await self._tell([f"{source.id}: {error}"])
        mistakes = [str(one) for one in await self._documents.accept(source.id, raw, self._received)]
        if mistakes:
            self._health.wrong(source.id, mistakes[0])
        else:
            self._health.good(source.id, written)
        return await self._tell(mistakes)

    async def _received(self, source: str, digest: str) -> None:
        change: dict[str, Json] = {"what": f"inventory:{source}", "by": "countersign", "kind": "fetched",
                                   "details": [f"document={digest}"]}  # fmt: skip
        await self._record({"type": "inventory.received", "at": self._clock(), "change": change})

    async def _tell(self, mistakes: Sequence[str]) -> None:
        if mistakes == self._told:
            return
        if mistakes:
            for mistake in mistakes[:_NAMED]:
                log.error("not in force: %s", mistake)
            if mistakes[_NAMED:]:
                log.error("and %d more of %s", len(mistakes) - _NAMED, self._source.id)
            details: list[Json] = [mistake[:300] for mistake in mistakes[:_NAMED]]
            change: dict[str, Json] = {"what": f"inventory:{self._source.id}", "details": details}
            await self._record({"type": "config.mistake", "at": self._clock(), "change": change})
        else:
            log.warning("inventory source %s can be used again", self._source.id)
        self._told = mistakes
