"""The keys that verify: fetched once in five minutes, kept for an hour if they cannot be, and never from elsewhere."""

import http.client
import json
import logging
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import jwt

from proxy.downstream.profile import Rejected

log = logging.getLogger("countersign.downstream")

FRESH_SECONDS = 300.0
LAST_GOOD_SECONDS = 3600.0
# An unknown `kid` costs its sender nothing, so it makes us ask no more often than this.
INTERVAL_SECONDS = 10.0
RETRY_SECONDS = 1.0
FETCH_SECONDS = 5.0
MAX_BYTES = 65_536
_MAX_KEYS = 32
_PUBLIC = ("kty", "crv", "x", "y")


class KeySet:
    """The keys by `kid`. `fetch` gives the JWK set's bytes, or raises `OSError` or `ValueError`."""

    def __init__(self, fetch: Callable[[], bytes]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._good_at = self._asked_at = float("-inf")

    def lacks(self, key_id: str, now: float) -> bool:
        """Whether `find` would ask for the keys, which takes a while."""
        stale = not 0 <= now - self._good_at < FRESH_SECONDS
        wait = INTERVAL_SECONDS if self._keys else RETRY_SECONDS
        return (stale or key_id not in self._keys) and not abs(now - self._asked_at) < wait

    def find(self, key_id: str, now: float) -> jwt.PyJWK:
        """The key of this id; `Rejected` if there is none, or none that is fresh enough."""
        if self.lacks(key_id, now):
            with self._lock:  # one asks; those who waited find it done
                if self.lacks(key_id, now):
                    self._refresh(now)
        if not 0 <= now - self._good_at <= LAST_GOOD_SECONDS:
            raise Rejected("keys_unavailable", "The keys to verify a Txn-Token with cannot be had at the moment.", 503)
        key = self._keys.get(key_id)
        if key is None:
            raise Rejected("key_unknown", "The Txn-Token is signed with a key that is not known.")
        return key

    def _refresh(self, now: float) -> None:
        try:
            self._keys = read_keys(self._fetch())
            self._good_at = now
        except (OSError, ValueError, http.client.HTTPException) as error:
            log.warning("the keys could not be read, the last good ones count: %s", error)
        finally:
            self._asked_at = now  # last: who comes meanwhile waits for the lock, and does not go without keys


def read_keys(data: bytes) -> dict[str, jwt.PyJWK]:
    """The ES256 keys of a JWK set; `ValueError` if it is none. A `kid` that two keys have belongs to neither."""
    try:
        document = json.loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list) or len(listed) > _MAX_KEYS:
        raise ValueError("not a JWK set")
    usable = [(entry["kid"], _key(entry)) for entry in listed if _fits(entry)]
    named = Counter(key_id for key_id, _ in usable)
    return {key_id: key for key_id, key in usable if named[key_id] == 1}


def _fits(entry: Any) -> bool:  # noqa: ANN401 - whatever stands in the document
    return (
        isinstance(entry, dict)
        and (entry.get("kty"), entry.get("crv"), entry.get("use"), entry.get("alg")) == ("EC", "P-256", "sig", "ES256")
        and isinstance(entry.get("kid"), str)
        and "d" not in entry
    )


def _key(entry: Mapping[str, Any]) -> jwt.PyJWK:
    try:
        return jwt.PyJWK({name: entry.get(name) for name in _PUBLIC}, "ES256")
    except (jwt.PyJWTError, TypeError) as error:
        raise ValueError("a key that is none") from error


def origin(url: str, ca_file: str | None = None) -> Callable[[], bytes]:
    """Fetches from this URL and no other: no redirect, no proxy, bounded in size and time; TLS but on loopback."""
    place = urlsplit(url)
    if not place.hostname or place.username is not None or place.fragment:
        raise ValueError(f"`{url}` is not the URL of a JWK set")
    if place.scheme == "http" and place.hostname not in {"127.0.0.1", "::1", "localhost"}:
        raise ValueError(f"`{url}` is plain http: whoever is on the way could put in their own keys; use https")
    if place.scheme not in {"http", "https"}:
        raise ValueError(f"`{url}` is neither https nor http")
    tls = ssl.create_default_context(cafile=ca_file) if place.scheme == "https" else None
    path = (place.path or "/") + (f"?{place.query}" if place.query else "")

    def fetch() -> bytes:
        host = place.hostname or ""
        connection = (
            http.client.HTTPConnection(host, place.port, timeout=FETCH_SECONDS)
            if tls is None
            else http.client.HTTPSConnection(host, place.port, timeout=FETCH_SECONDS, context=tls)
        )
        try:
            connection.request("GET", path, headers={"Accept": "application/jwk-set+json, application/json"})
            return _body(connection.getresponse())
        finally:
            connection.close()

    return fetch


def _body(response: http.client.HTTPResponse) -> bytes:
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    ends, body = time.monotonic() + FETCH_SECONDS, b""
    while part := response.read1(MAX_BYTES):
        body += part
        if len(body) > MAX_BYTES or time.monotonic() > ends:
            raise ValueError("too much, or too slow")
    return body
