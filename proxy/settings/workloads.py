"""The settings by which workloads prove themselves: SPIFFE trust domains, and Kubernetes clusters."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from proxy.documents import Document
from proxy.errors import Mistake
from proxy.identity.clusters import SERVICE_ACCOUNT, ClusterSettings
from proxy.identity.spiffe_id import SCHEME
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workload_address import available, target_of
from proxy.settings.files import check_key_set, check_keys, check_made, check_pem
from proxy.settings.group import Group


class TrustedDomain(Group):
    """A SPIFFE trust domain whose workloads prove themselves by SVIDs."""

    trust_domain: str = Field(description="Its name. Agents are known by the issuer `spiffe://NAME` and their ID.")
    audience: str = Field(description="The one `aud` that a JWT-SVID for us has.")
    bundle_file: Path | None = Field(None, description="Its bundle (a JWK set), from a file; or else:")
    bundle_url: str | None = Field(None, description="Its bundle, from its bundle endpoint, with")
    bundle_profile: Literal["https_web", "https_spiffe"] | None = Field(
        None, description="`https_web` (public roots) or `https_spiffe`; or else:"
    )
    workload_api: bool | str = Field(
        default=False, description="`true`: from SPIFFE_ENDPOINT_SOCKET; or the address, unix:///PATH."
    )
    ca_bundle: Path | None = Field(None, description="https_web: PEM bundle that the endpoint is verified with.")
    endpoint_spiffe_id: str | None = Field(None, description="https_spiffe: who the endpoint is.")
    bootstrap_file: Path | None = Field(None, description="https_spiffe: the bundle to know it by at first.")
    bundle_generation: int = Field(
        0,
        ge=0,
        le=2**31,
        description="Another number after the trust domain was set up anew: its sequence may restart.",
    )
    max_lifetime_seconds: int = Field(3600, description="JWT-SVIDs that live longer are refused.")


class Cluster(Group):
    """A Kubernetes cluster whose service accounts prove agents."""

    issuer: str = Field(description="The exact `iss` of its service-account tokens.")
    audience: str = Field(description="The one `aud` that a token for us has.")
    algorithms: tuple[str, ...] = Field(("RS256",), description="One or two; never taken from the token.")
    jwks_file: Path | None = Field(None, description="Its keys, from a file; or else:")
    jwks_url: str | None = Field(None, description="Its keys, from a URL; or else:")
    review_url: str | None = Field(
        None, description="Or ask its API server: https://HOST/apis/authentication.k8s.io/v1/tokenreviews"
    )
    ca_bundle: Path | None = Field(None, description="PEM bundle that this URL is verified with.")
    token_file: Path = Field(
        SERVICE_ACCOUNT / "token", description="What we show there; it must be allowed to create TokenReviews."
    )
    max_lifetime_seconds: int = Field(3600, description="Tokens that live longer are refused.")
    review_seconds: int = Field(30, description="review_url: how often it is asked again about a token in use.")
    unanswered_seconds: int = Field(
        120, description="review_url: for how long a token in use counts on while there is no answer."
    )


def trust_domain_settings(domain: TrustedDomain) -> TrustDomainSettings:
    """This trust domain as the verifiers take it; raises `ValueError` with words if it would accept too much."""
    said = domain.workload_api
    return TrustDomainSettings(
        trust_domain=domain.trust_domain,
        audience=domain.audience,
        bundle_file=domain.bundle_file,
        bundle_url=domain.bundle_url,
        profile=domain.bundle_profile,
        ca_bundle=domain.ca_bundle,
        endpoint_spiffe_id=domain.endpoint_spiffe_id,
        bootstrap_file=domain.bootstrap_file,
        workload_api=said if isinstance(said, str) else ("" if said else None),
        max_lifetime_s=domain.max_lifetime_seconds,
        generation=domain.bundle_generation,
    )


def cluster_settings(cluster: Cluster) -> ClusterSettings:
    """This cluster as the verifier takes it; raises `ValueError` with words if it would accept too much."""
    return ClusterSettings(
        issuer=cluster.issuer,
        audience=cluster.audience,
        algorithms=cluster.algorithms,
        jwks_file=cluster.jwks_file,
        jwks_url=cluster.jwks_url,
        review_url=cluster.review_url,
        ca_bundle=cluster.ca_bundle,
        token_file=cluster.token_file,
        max_lifetime_s=cluster.max_lifetime_seconds,
        review_every_s=cluster.review_seconds,
        unanswered_s=cluster.unanswered_seconds,
    )


def workload_mistakes(
    document: Document, domains: tuple[TrustedDomain, ...], clusters: tuple[Cluster, ...], issuers: set[str]
) -> Iterator[Mistake]:
    """What is well formed by itself, but cannot be used, or not together. `issuers` are those of other tokens."""
    for index, domain in enumerate(domains):
        at = ("identity", "trust_domains", index)
        yield from check_made(document, partial(trust_domain_settings, domain), *at)
        yield from _workload_api(document, at, domain.workload_api)
        for name in ("bundle_file", "bootstrap_file"):
            yield from check_key_set(document, getattr(domain, name), "a SPIFFE bundle", *at, name)
        yield from check_pem(document, domain.ca_bundle, "CERTIFICATE", *at, "ca_bundle")
        if domain.trust_domain in {one.trust_domain for one in domains[:index]}:
            yield document.mistake(at, "has the `trust_domain` of another; its bundle comes from one place")
    for index, cluster in enumerate(clusters):
        at = ("identity", "kubernetes", index)
        yield from check_keys(document, cluster.jwks_file, cluster.ca_bundle, partial(cluster_settings, cluster), *at)
        if cluster.issuer in issuers | {one.issuer for one in clusters[:index]}:
            yield document.mistake(at, "has the `issuer` of another, or of one of `issuers`; keep one")
    # Whoever could sign tokens as the issuer that stands for a trust domain would name any of its workloads.
    for index, domain in enumerate(domains):
        if SCHEME + domain.trust_domain in issuers | {one.issuer for one in clusters}:
            text = f"`{SCHEME}{domain.trust_domain}` is the `issuer` of other tokens too; keep one"
            yield document.mistake(("identity", "trust_domains", index), text)


def _workload_api(document: Document, at: tuple[str | int, ...], said: bool | str) -> Iterator[Mistake]:  # noqa: FBT001 - what the setting holds
    if said is False:
        return
    if not available():
        yield document.mistake((*at, "workload_api"), "needs the extra `spiffe`: install `countersign-proxy[spiffe]`")
    if said is not True:  # that of the environment is only known where it is used
        yield from check_made(document, partial(target_of, said or "-"), *at, "workload_api")
