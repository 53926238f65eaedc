"""Bundles from the SPIFFE Workload API: the only place that knows grpc, and the package `spiffe` for its messages.

What comes is read as bytes and judged by our own readers. The package's readers drop the `use` of a key.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from policies.model import Json
from proxy.identity.key_sets import MAX_BYTES, listed_keys
from proxy.identity.origins import Fetched, FetchFailed
from proxy.identity.spiffe_id import SCHEME
from proxy.identity.workload_address import target_of
from proxy.strict_json import loads

_SERVICE = "/SpiffeWorkloadAPI/"
_METADATA = (("workload.spiffe.io", "true"),)
_WITHIN = 2.0
_SHARED_FOR = 1.0
_MOST = 8 << 20

_BROKEN = b"\x00"  # neither a row of certificates nor a key set

type Snapshot = Mapping[str, bytes]


class WorkloadApiOrigin:
    """The bundle of one trust domain, as the Workload API gives it. What it no longer gives is not trusted: empty."""

    interval = 5.0

    def __init__(self, address: str, trust_domain: str) -> None:
        self._address = address
        self._trust_domain = trust_domain

    async def fetch(self) -> Fetched:
        """The bundle as one document; `FetchFailed` if the Workload API does not answer."""
        try:
            api = _shared(target_of(self._address))
            snapshot = await asyncio.to_thread(api.snapshot)
        except (ValueError, ImportError) as error:
            raise FetchFailed(f"Workload API: {error}") from error
        return Fetched(snapshot.get(self._trust_domain, b'{"keys":[]}'), self.interval)


class WorkloadApi:
    """One Workload API. Its answers are immutable, and shared for a second by all who ask."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._last: tuple[float, Snapshot] | None = None

    def snapshot(self) -> Snapshot:
        """The bundles of all trust domains that it gives, asked for in this thread; `FetchFailed` if it gives none."""
        with self._lock:
            now = time.monotonic()
            if self._last is None or now - self._last[0] >= _SHARED_FOR:
                self._last = (now, self._ask())
            return self._last[1]

    def _ask(self) -> Snapshot:
        import grpc  # noqa: PLC0415 - an extra: there only where somebody uses it
        from spiffe._proto import workload_pb2 as messages  # noqa: PLC0415 - the same

        options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", _MOST)]
        try:
            with grpc.insecure_channel(self._target, options=options) as channel:
                authorities = _first(
                    channel, "FetchX509Bundles", messages.X509BundlesRequest(), messages.X509BundlesResponse
                )
                keys = _first(channel, "FetchJWTBundles", messages.JWTBundlesRequest(), messages.JWTBundlesResponse)
        except grpc.RpcError as error:
            code = error.code().name if hasattr(error, "code") else type(error).__name__
            raise FetchFailed(f"Workload API at {self._target}: {code}") from error
        roots, jwks = _by_domain(authorities.bundles), _by_domain(keys.bundles)
        return MappingProxyType(
            {name: _document(roots.get(name, b""), jwks.get(name, b"")) for name in roots.keys() | jwks.keys()}
        )


def _first(channel: Any, name: str, request: Any, response: Any) -> Any:  # noqa: ANN401 - grpc has no types
    """The first message of a stream that never ends by itself; more is asked for by asking again."""
    call = channel.unary_stream(
        _SERVICE + name,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=response.FromString,
    )(request, metadata=_METADATA, timeout=_WITHIN)
    try:
        for message in call:
            return message
    finally:
        call.cancel()
    raise FetchFailed(f"Workload API: {name} ended without an answer")


def _by_domain(bundles: Mapping[str, bytes]) -> dict[str, bytes]:
    """By the name of the trust domain, which servers write as its SPIFFE ID. Two answers for one are none."""
    found: dict[str, bytes] = {}
    for name, data in bundles.items():
        domain = name.removeprefix(SCHEME)
        found[domain] = _BROKEN if domain in found else data
    return found


def _document(authorities: bytes, keys: bytes) -> bytes:
    """Both halves of a bundle as the one document that is read everywhere else.

    A broken half makes a broken document: then the last good one counts. Keys have no `use` there, since the call
    says what they are for (SPIRE leaves it out).
    """
    try:
        entries: list[Json] = [
            {"use": "x509-svid", "x5c": [base64.b64encode(der).decode("ascii")]} for der in split_der(authorities)
        ]
        listed = listed_keys(loads(keys, max_bytes=MAX_BYTES, max_depth=16)) if keys else []
    except ValueError:
        return _BROKEN
    of_a_token: dict[str, Json] = {"use": "jwt-svid"}
    entries += [of_a_token | entry if isinstance(entry, dict) else entry for entry in listed]
    return json.dumps({"keys": entries}).encode()


def split_der(data: bytes) -> Iterator[bytes]:
    """Each of the DER sequences that lie in a row; `ValueError` if these are not whole sequences."""
    while data:
        if len(data) < 2 or data[0] != 0x30:
            raise ValueError("not a row of DER sequences")
        size, width = data[1], 0
        if size & 0x80:
            width = size & 0x7F
            size = int.from_bytes(data[2 : 2 + width])
        end = 2 + width + size
        if width > 4 or (width == 0 and data[1] & 0x80) or end > len(data):
            raise ValueError("not a row of DER sequences")
        yield data[:end]
        data = data[end:]


_apis: dict[str, WorkloadApi] = {}


def _shared(target: str) -> WorkloadApi:
    return _apis.setdefault(target, WorkloadApi(target))
