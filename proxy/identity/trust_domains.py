"""Trust domains whose workloads we recognise, as configured: each with one place that its bundle comes from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from proxy.identity.issuers import check_url
from proxy.identity.spiffe_id import parse_workload, trust_domain

MAX_LIFETIME = 86_400


@dataclass(frozen=True, slots=True)
class TrustDomainSettings:
    """Where the bundle of this trust domain comes from, and which of its JWT-SVIDs are for us.

    Nothing here is ever inferred from a document or a token (SPIFFE Federation section 5). `workload_api` is the
    address of a socket; empty is that of the environment. The sequence of its bundles only grows, until a person says
    with another `generation` that it was set up anew. Raises `ValueError` with a text for people.
    """

    trust_domain: str
    audience: str
    bundle_file: Path | None = None
    bundle_url: str | None = None
    profile: Literal["https_web", "https_spiffe"] | None = None
    ca_bundle: Path | None = None
    endpoint_spiffe_id: str | None = None
    bootstrap_file: Path | None = None
    workload_api: str | None = None
    max_lifetime_s: int = 3600
    generation: int = 0

    def __post_init__(self) -> None:
        trust_domain(self.trust_domain)
        if not self.audience:
            raise ValueError("a trust domain needs the `audience` that JWT-SVIDs for us have")
        if [self.bundle_file, self.bundle_url, self.workload_api].count(None) != 2:
            raise ValueError("give exactly one of `bundle_file`, `bundle_url` and `workload_api`")
        if not 0 < self.max_lifetime_s <= MAX_LIFETIME:
            raise ValueError(f"max_lifetime_s is between 1 and {MAX_LIFETIME}, not {self.max_lifetime_s}")
        self._check_endpoint()

    def _check_endpoint(self) -> None:
        of_spiffe = (self.endpoint_spiffe_id, self.bootstrap_file)
        if self.bundle_url is None:
            if self.profile is not None or self.ca_bundle is not None or of_spiffe != (None, None):
                raise ValueError("without `bundle_url`, nothing else of a bundle endpoint has an effect")
            return
        check_url(self.bundle_url, "bundle_url")
        if self.profile is None:
            raise ValueError("a `bundle_url` needs its `bundle_profile`, `https_web` or `https_spiffe`")
        if self.profile == "https_web" and of_spiffe != (None, None):
            raise ValueError("`endpoint_spiffe_id` and `bootstrap_file` are for `https_spiffe` only")
        if self.profile == "https_spiffe":
            self._check_spiffe()

    def _check_spiffe(self) -> None:
        if self.endpoint_spiffe_id is None or self.bootstrap_file is None:
            raise ValueError("`https_spiffe` needs `endpoint_spiffe_id` and `bootstrap_file`")
        if self.ca_bundle is not None:
            raise ValueError("`ca_bundle` is for `https_web`; `https_spiffe` trusts the `bootstrap_file`")
        if self.bundle_url is not None and not self.bundle_url.startswith("https://"):
            raise ValueError("`https_spiffe` needs an https `bundle_url`")
        parse_workload(self.endpoint_spiffe_id)
