"""Where keys are read: a configured file or URL, and nowhere that a token or an answer points to."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from proxy.identity.key_sets import MAX_BYTES

_MAX_TTL = 300.0
_FETCH_WITHIN = 5.0
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=([0-9]{1,9})(?:$|[,\s])", re.IGNORECASE)


class FetchFailed(Exception):
    """The keys cannot be had from their origin now; the text says why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A key document, and for how many seconds it may be taken for current."""

    body: bytes
    fresh_for: float


class Origin(Protocol):
    """`interval`: at most one fetch in so many seconds, whatever tokens ask for."""

    interval: float

    async def fetch(self) -> Fetched: ...


class FileOrigin:
    """Keys from a configured file, which is read again within a second of a change."""

    interval = 1.0

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> Fetched:
        """The file's content; `FetchFailed` if it cannot be read."""
        return self.read()

    def read(self) -> Fetched:
        """The same, at once."""
        try:
            with self._path.open("rb") as file:
                body = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise FetchFailed(f"{self._path}: {error.strerror}") from error
        return Fetched(body, self.interval)


class UrlOrigin:
    """Keys from a configured URL, and from nowhere that its answer points to."""

    interval = 30.0

    def __init__(self, url: str, ca_bundle: Path | None) -> None:
        self._url = url
        # Made once: reading the system's roots takes tens of milliseconds.
        self._tls = tls_context(ca_bundle)

    async def fetch(self) -> Fetched:
        """The document behind the URL; `FetchFailed` for a redirect, an error, or too much of it."""
        try:
            async with asyncio.timeout(_FETCH_WITHIN):
                return await self._get()
        except TimeoutError as error:
            raise FetchFailed(f"{self._url}: no answer within {_FETCH_WITHIN:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FetchFailed(f"{self._url}: {type(error).__name__}") from error

    def tls(self) -> ssl.SSLContext:
        """What the server of this URL is verified with; `FetchFailed` if there is nothing to verify it with."""
        return self._tls

    def require_peer(self, response: httpx.Response) -> None:
        """Raises `FetchFailed` if the server, which TLS has verified, is not the one that is meant."""

    async def _get(self) -> Fetched:
        headers = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
        # The environment's proxy settings are left out, since they may name us.
        async with (
            httpx.AsyncClient(verify=self.tls(), trust_env=False, follow_redirects=False) as client,
            client.stream("GET", self._url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise FetchFailed(f"{self._url}: status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise FetchFailed(f"{self._url}: an encoded answer, which was not asked for")
            self.require_peer(response)
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > MAX_BYTES:
                    raise FetchFailed(f"{self._url}: more than {MAX_BYTES} bytes")
        return Fetched(bytes(body), max(self.interval, _fresh_for(response.headers.get("cache-control", ""))))


def _fresh_for(cache_control: str) -> float:
    match = _MAX_AGE.search(cache_control)
    if "no-store" in cache_control.lower() or "no-cache" in cache_control.lower():
        return 0.0
    return min(_MAX_TTL, float(match[1])) if match else _MAX_TTL


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Verifies by the usual public roots, and by this PEM bundle if there is one."""
    context = httpx.create_ssl_context()
    if ca_bundle is not None:
        context.load_verify_locations(cafile=str(ca_bundle))
    return context
