"""Where an issuer's keys come from, how long they are believed, and when they are asked for again."""

import asyncio
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from proxy.errors import refuse
from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import MAX_BYTES, KeySet, read_key_set

log = logging.getLogger("countersign.identity")

_MAX_TTL = 300.0
_LAST_GOOD = 3600.0
_FETCH_WITHIN = 5.0
_RETRY_WITHOUT_KEYS = 5.0
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
        return self._read()

    def _read(self) -> Fetched:
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
        # Made once: reading the system's roots takes tens of milliseconds. The environment's proxy
        # settings are left out, since they may name us.
        self._tls = httpx.create_ssl_context()
        if ca_bundle is not None:
            self._tls.load_verify_locations(cafile=str(ca_bundle))

    async def fetch(self) -> Fetched:
        """The document behind the URL; `FetchFailed` for a redirect, an error, or too much of it."""
        try:
            async with asyncio.timeout(_FETCH_WITHIN):
                return await self._get()
        except TimeoutError as error:
            raise FetchFailed(f"{self._url}: no answer within {_FETCH_WITHIN:.0f} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FetchFailed(f"{self._url}: {type(error).__name__}") from error

    async def _get(self) -> Fetched:
        headers = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False) as client,
            client.stream("GET", self._url, headers=headers) as response,
        ):
            if response.status_code != 200:
                raise FetchFailed(f"{self._url}: status {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise FetchFailed(f"{self._url}: an encoded answer, which was not asked for")
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


class KeySource:
    """One issuer's keys. The last good set outlives a failing origin for an hour; then the issuer is refused.

    `epoch` moves whenever a key is taken away: what was verified before counts no more.
    """

    def __init__(self, profile: IssuerSettings, origin: Origin | None = None) -> None:
        self._profile = profile
        self._origin = origin or _origin(profile)
        self._lock = asyncio.Lock()
        self._fetching: asyncio.Future[None] | None = None
        self._keys: KeySet | None = None
        self._body = b""
        self._good_at = self._fresh_until = 0.0
        self._aged_attempt = self._unknown_attempt = float("-inf")
        self.epoch = 0

    async def current(self, now: float) -> KeySet:
        """The keys that count at `now`; refuses (503) if there are none, or none fresh enough."""
        if self._keys is None or not self._good_at <= now < self._fresh_until:
            await self._refresh_aged(now)
        if self._keys is None or not abs(now - self._good_at) <= _LAST_GOOD:
            raise refuse(
                "identity_unavailable",
                503,
                "The keys of this credential's issuer cannot be had at the moment, so it cannot be verified.",
                "retry",
                internal=f"no keys of issuer {self._profile.issuer}",
            )
        return self._keys

    async def holding(self, key_id: str | None, now: float) -> KeySet:
        """The keys that count at `now`, asked for anew (at most once an interval) if they lack this one."""
        keys = await self.current(now)
        if key_id is None or keys.find(key_id) is not None:
            return keys
        async with self._lock:
            if self._keys is keys and not abs(now - self._unknown_attempt) < self._origin.interval:
                self._unknown_attempt = now
                await self._fetch(now)
        return self._keys or keys

    async def _refresh_aged(self, now: float) -> None:
        async with self._lock:  # one fetch at a time; those who waited find it done
            wait = self._origin.interval if self._keys is not None else _RETRY_WITHOUT_KEYS
            if abs(now - self._aged_attempt) < min(wait, self._origin.interval):
                return
            self._aged_attempt = now
            await self._fetch(now)

    async def _fetch(self, now: float) -> None:
        """Not given up when the caller is: else whoever hangs up early could keep the keys from being read."""
        self._fetching = asyncio.ensure_future(self._fetch_now(now))
        await asyncio.shield(self._fetching)

    async def _fetch_now(self, now: float) -> None:
        try:
            fetched = await self._origin.fetch()
            if fetched.body != self._body or self._keys is None:
                self._adopt(read_key_set(fetched.body, self._profile))
                self._body = fetched.body
        except (FetchFailed, ValueError) as error:
            log.warning("issuer %s: keys could not be read, the last good ones count: %s", self._profile.issuer, error)
            return
        self._good_at, self._fresh_until = now, now + fetched.fresh_for

    def _adopt(self, keys: KeySet) -> None:
        if self._keys is not None and not self._keys.fingerprints <= keys.fingerprints:
            self.epoch += 1
        self._keys = keys


def _origin(profile: IssuerSettings) -> Origin:
    if profile.jwks_file is not None:
        return FileOrigin(profile.jwks_file)
    assert profile.jwks_url is not None  # INVARIANT: IssuerSettings demands exactly one of the two
    return UrlOrigin(profile.jwks_url, profile.ca_bundle)
