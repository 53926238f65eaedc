"""Bundles of trust domains, kept current: from a file, a bundle endpoint, or the Workload API (SPIFFE Federation)."""

import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

import httpx
import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from proxy.errors import Refused
from proxy.identity.bundles import Bundle, read_bundle
from proxy.identity.compact import Unverified
from proxy.identity.interfaces import BundleStore
from proxy.identity.origins import Fetched, FetchFailed, FileOrigin, Origin, UrlOrigin
from proxy.identity.sources import Source
from proxy.identity.spiffe_id import parse_workload
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workload_api import WorkloadApiOrigin
from proxy.identity.x509_svids import read_leaf, verify_chain

type Roots = Callable[[], Sequence[x509.Certificate]]


class BundleSource(Source[Bundle]):
    """The bundle of one trust domain. A document with a lower sequence than the last one is not taken.

    With a `store`, the last one is that before a restart too: nobody can bring back what was withdrawn by then.
    """

    def __init__(
        self, domain: TrustDomainSettings, origin: Origin | None = None, store: BundleStore | None = None
    ) -> None:
        self.domain = domain
        self._store = store
        self._kept: bytes | None = None
        read = partial(read_bundle, trust_domain=domain.trust_domain)
        super().__init__(f"trust domain {domain.trust_domain}", origin or self._origin_of(domain), read)

    async def key_of(self, unverified: Unverified, now: float) -> jwt.PyJWK | None:
        """The key that this token says it is signed with, for its algorithm, if it is one of these."""
        wanted = (unverified.key_id or "", unverified.algorithm)
        bundle = await self.current(now)
        if wanted not in bundle.keys:
            bundle = await self.renewed(bundle, now)
        return bundle.keys.get(wanted)

    async def _prepare(self) -> None:
        if self._store is not None and self._document is None and self.domain.profile == "https_spiffe":
            self._kept = await self._store.last_bundle(self.domain.trust_domain, self.domain.generation)

    async def _admit(self, document: Bundle, body: bytes, now: float) -> None:
        last = self._document.sequence if self._document is not None else None
        older = last is not None and (document.sequence is None or document.sequence < last)
        if not older and self._store is not None:
            name, generation = self.domain.trust_domain, self.domain.generation
            older = not await self._store.keep_bundle(name, generation, document.sequence, body, now)
        if older:
            raise ValueError(
                f"its sequence went back, to {document.sequence}: this is an old bundle; only if the trust domain was "
                "set up anew, give it another `bundle_generation` and start again"
            )

    def _fresh_for(self, fetched: Fetched) -> float:
        hint = self._document.refresh_hint if self._document is not None else None
        if hint is None:
            return fetched.fresh_for
        return max(self._origin.interval, min(fetched.fresh_for, hint))

    def _origin_of(self, domain: TrustDomainSettings) -> Origin:
        if domain.bundle_file is not None:
            return FileOrigin(domain.bundle_file)
        if domain.bundle_url is None:
            return WorkloadApiOrigin(domain.workload_api or "", domain.trust_domain)
        if domain.profile == "https_spiffe":
            assert domain.endpoint_spiffe_id is not None  # INVARIANT: TrustDomainSettings demands it
            return SpiffeOrigin(domain.bundle_url, domain.endpoint_spiffe_id, self._roots_of_endpoint)
        return UrlOrigin(domain.bundle_url, domain.ca_bundle)

    def _roots_of_endpoint(self) -> Sequence[x509.Certificate]:
        """An endpoint of this trust domain is known by its last bundle, once there is one: never again by an older."""
        assert self.domain.endpoint_spiffe_id is not None
        assert self.domain.bootstrap_file is not None
        of_endpoint = parse_workload(self.domain.endpoint_spiffe_id).trust_domain
        if of_endpoint == self.domain.trust_domain:
            if self._document is not None:
                return self._document.roots
            if self._kept is not None:
                return read_bundle(self._kept, of_endpoint).roots
        fetched = FileOrigin(self.domain.bootstrap_file).read()
        return read_bundle(fetched.body, of_endpoint).roots


class SpiffeOrigin(UrlOrigin):
    """A bundle endpoint that shows itself by the X.509-SVID of exactly this SPIFFE ID (profile `https_spiffe`)."""

    def __init__(self, url: str, endpoint: str, roots: Roots) -> None:
        super().__init__(url, None)
        self._endpoint = endpoint
        self._roots = roots

    def tls(self) -> ssl.SSLContext:
        """By the roots alone. No name of a host is in an SVID: who it is, `require_peer` judges."""
        roots = self._trusted()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=b"".join(root.public_bytes(Encoding.DER) for root in roots))
        return context

    def require_peer(self, response: httpx.Response) -> None:
        """Nothing was sent that is secret, and nothing is read before this."""
        chain = response.extensions["network_stream"].get_extra_info("ssl_object").get_unverified_chain()
        try:
            leaf = read_leaf(chain)
            verify_chain(leaf, self._trusted(), time.time())
        except Refused as refused:
            raise FetchFailed(f"{self._url}: its certificate: {refused.refusal.internal}") from refused
        if str(leaf.id) != self._endpoint:
            raise FetchFailed(f"{self._url}: it is {leaf.id}, not {self._endpoint}")

    def _trusted(self) -> Sequence[x509.Certificate]:
        roots = self._roots()
        if not roots:
            raise FetchFailed(f"{self._url}: no root to know the endpoint by")
        return roots
