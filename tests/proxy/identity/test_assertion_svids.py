"""JWT-SVIDs as assertions to our authorization server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import Refused
from proxy.facts import Inventory
from proxy.identity.assertion_svids import AssertionSvids
from proxy.identity.federation import BundleSource
from proxy.identity.token_cache import VerifiedToken
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workloads import Workloads
from proxy.stages import Proven
from tests.fakes.control_house import inventory
from tests.fakes.issuer import NOW, claims, header, sign
from tests.fakes.trust_domain import AGENT, DOMAIN, TrustDomain

PROXY, ISSUER = "https://gov.example/proxy", "https://gov.example"
DOMAIN_KEYS = TrustDomain(at=NOW)


def svids(folder: Path) -> AssertionSvids:
    (folder / "bundle.json").write_bytes(DOMAIN_KEYS.bundle())
    workloads = Workloads([BundleSource(TrustDomainSettings(DOMAIN, PROXY, folder / "bundle.json"))])
    verifier = workloads.svids_for(ISSUER)
    assert verifier is not None

    def agent_of(shown: VerifiedToken, _: Inventory) -> Proven:
        return Proven("bot", shown.method, shown.token_id, 0.0, shown.not_after, "", subject=shown.subject)

    return AssertionSvids(verifier, agent_of)


def token(**changes: Any) -> str:
    return DOMAIN_KEYS.token({"aud": [ISSUER]} | changes)


def test_one_for_our_issuer_is_verified(tmp_path: Path) -> None:
    """It says whose it is, and which agent's."""
    shown = svids(tmp_path)
    assert asyncio.run(shown.verify(token(), NOW)).subject == AGENT
    assert asyncio.run(shown.prove(token(), NOW, inventory())).method == "jwt_svid"
    assert Workloads().svids_for(ISSUER) is None


def test_one_for_the_proxy_is_not(tmp_path: Path) -> None:
    """Also if the proxy has just seen and remembered it."""
    shown = svids(tmp_path)
    with pytest.raises(Refused, match="token_audience"):
        asyncio.run(shown.verify(token(aud=[PROXY]), NOW))
    workloads = Workloads([BundleSource(TrustDomainSettings(DOMAIN, PROXY, tmp_path / "bundle.json"))])
    for_proxy = DOMAIN_KEYS.token({"aud": [PROXY]})
    assert asyncio.run(workloads.token(for_proxy, NOW)) is not None
    other = workloads.svids_for(ISSUER)
    assert other is not None
    with pytest.raises(Refused, match="token_audience"):
        asyncio.run(other.verify(for_proxy, NOW))


def test_it_is_recognised_by_what_it_says(tmp_path: Path) -> None:
    """A subject in a trust domain that we know; garbage is none."""
    shown = svids(tmp_path)
    assert shown.recognises(token())
    for other in ("nonsense", token(sub="spiffe://other.example/x"), token(sub=7), sign(claims(), header())):
        assert not shown.recognises(other)
