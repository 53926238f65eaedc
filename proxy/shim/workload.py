"""SVIDs of the program, from the SPIFFE Workload API. The extra `spiffe` has its client."""

import asyncio
import importlib
import os
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.errors import CountersignError
from proxy.shim.sources import Renewed, SourceFailed, checked, trusting

FETCH_SECONDS = 5.0

type MakeClient = Callable[[], Any]


class JwtSvids:
    """JWT-SVIDs for one audience."""

    def __init__(self, audience: str, make: MakeClient | None = None, clock: Callable[[], float] = time.time) -> None:
        self._audience = audience
        self._api = _Api(make or _client())
        self._svid = Renewed(self._fetch, clock)

    async def token(self) -> str:
        return await self._svid.get()

    async def _fetch(self) -> tuple[str, float]:
        svid = await self._api.ask(lambda api: api.fetch_jwt_svid(audience={self._audience}, timeout=FETCH_SECONDS))
        return checked(str(svid.token), "the Workload API"), float(svid.expiry)


class X509Svids:
    """X.509-SVIDs, shown in TLS to the proxy."""

    def __init__(self, roots: Path, make: MakeClient | None = None, clock: Callable[[], float] = time.time) -> None:
        self._roots = roots
        self._api = _Api(make or _client())
        self._context = Renewed(self._fetch, clock)

    async def context(self) -> ssl.SSLContext:
        return await self._context.get()

    async def _fetch(self) -> tuple[ssl.SSLContext, float]:
        svid = await self._api.ask(lambda api: api.fetch_x509_svid(timeout=FETCH_SECONDS))
        key = svid.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in svid.cert_chain)
        try:
            context = trusting(self._roots)
            _load(context, key + chain)
        except OSError as error:
            raise SourceFailed("the X.509-SVID of the Workload API cannot be used for TLS") from error
        return context, svid.leaf.not_valid_after_utc.timestamp()


class _Api:
    """The client is made when it is first used, and its calls, which block, run in a thread."""

    def __init__(self, make: MakeClient) -> None:
        self._make = make
        self._client: Any = None

    async def ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - the library's own types
        try:
            return await asyncio.to_thread(self._ask, question)
        except Exception as error:  # the library raises errors of gRPC, of its own, and others
            self._client = None
            raise SourceFailed(f"the SPIFFE Workload API gives no SVID ({type(error).__name__})") from error

    def _ask(self, question: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - the library's own types
        if self._client is None:
            self._client = self._make()
        return question(self._client)


def _client() -> MakeClient:
    """How a client is made; raises `CountersignError` if the library is not here, or nobody says where the API is."""
    try:
        library = importlib.import_module("spiffe")
    except ImportError as error:
        raise CountersignError("SVIDs need the SPIFFE client: pip install 'countersign-proxy[spiffe]'") from error
    if not os.environ.get("SPIFFE_ENDPOINT_SOCKET"):
        raise CountersignError("SPIFFE_ENDPOINT_SOCKET does not say where the Workload API is")
    make: MakeClient = library.WorkloadApiClient
    return make


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """`ssl` reads keys from files only; this one is in memory alone."""
    descriptor = os.memfd_create("svid", os.MFD_CLOEXEC)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
