"""Which trust domains may be configured."""

from pathlib import Path
from typing import Any

import pytest

from proxy.identity.trust_domains import TrustDomainSettings

FILE, URL = Path("/bundle.json"), "https://spire.example/bundle"
SPIFFE = {"bundle_url": URL, "profile": "https_spiffe", "endpoint_spiffe_id": "spiffe://a/b", "bootstrap_file": FILE}


def settings(**said: Any) -> TrustDomainSettings:
    """A trust domain of which this is said."""
    return TrustDomainSettings(**({"trust_domain": "prod.example", "audience": "countersign"} | said))


@pytest.mark.parametrize(
    "said",
    [
        {"bundle_file": FILE},
        {"bundle_url": URL, "profile": "https_web"},
        {"bundle_url": URL, "profile": "https_web", "ca_bundle": FILE},
        {"workload_api": ""},
        SPIFFE,
    ],
)
def test_one_place_for_a_bundle_is_enough(said: dict[str, Any]) -> None:
    """A file, an endpoint of either profile, or the Workload API."""
    assert settings(**said).max_lifetime_s == 3600


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "exactly one of"),
        ({"bundle_file": FILE, "workload_api": ""}, "exactly one of"),
        ({"bundle_file": FILE, "bundle_url": URL, "profile": "https_web"}, "exactly one of"),
        ({"bundle_file": FILE, "trust_domain": "Prod"}, "a trust domain is"),
        ({"bundle_file": FILE, "trust_domain": "spiffe://prod"}, "a trust domain is"),
        ({"bundle_file": FILE, "audience": ""}, "needs the `audience`"),
        ({"bundle_file": FILE, "max_lifetime_s": 0}, "between 1 and"),
        ({"bundle_file": FILE, "max_lifetime_s": 86_401}, "between 1 and"),
        ({"bundle_file": FILE, "profile": "https_web"}, "without `bundle_url`"),
        ({"bundle_file": FILE, "bootstrap_file": FILE}, "without `bundle_url`"),
        ({"workload_api": "", "ca_bundle": FILE}, "without `bundle_url`"),
        ({"bundle_url": URL}, "needs its `bundle_profile`"),
        ({"bundle_url": "http://spire.example/b", "profile": "https_web"}, "bundle_url must be https"),
        ({"bundle_url": "https://u@spire.example/b", "profile": "https_web"}, "needs a host, and no user"),
        ({"bundle_url": URL, "profile": "https_web", "bootstrap_file": FILE}, "are for `https_spiffe` only"),
        ({"bundle_url": URL, "profile": "https_spiffe"}, "needs `endpoint_spiffe_id` and"),
        (SPIFFE | {"bootstrap_file": None}, "needs `endpoint_spiffe_id` and"),
        (SPIFFE | {"ca_bundle": FILE}, "is for `https_web`"),
        (SPIFFE | {"bundle_url": "http://127.0.0.1/b"}, "needs an https"),
        (SPIFFE | {"endpoint_spiffe_id": "spiffe://a"}, "has a path"),
    ],
)
def test_anything_ambiguous_is_a_mistake(said: dict[str, Any], words: str) -> None:
    """Nothing of an endpoint is inferred, and nothing without effect is taken in silence."""
    with pytest.raises(ValueError, match=words):
        settings(**said)
