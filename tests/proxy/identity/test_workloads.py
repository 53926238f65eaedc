"""What workloads show, each kind to its own verifier."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity import workloads as module
from proxy.identity.clusters import ClusterSettings
from proxy.identity.federation import BundleSource
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workloads import Workloads
from proxy.stages import LocalPeer
from tests.fakes.cluster import CLUSTER, US, account_token, cluster_keys
from tests.fakes.issuer import NOW, key_set, sign
from tests.fakes.trust_domain import AGENT, DOMAIN, OURS, TrustDomain

HOME = TrustDomain()


@pytest.fixture
def workloads(tmp_path: Path) -> Workloads:
    """A trust domain and a cluster."""
    (tmp_path / "bundle").write_bytes(HOME.bundle())
    (tmp_path / "jwks").write_bytes(key_set(cluster_keys()))
    return Workloads(
        [BundleSource(TrustDomainSettings(DOMAIN, OURS, bundle_file=tmp_path / "bundle"))],
        [ClusterSettings(CLUSTER, US, jwks_file=tmp_path / "jwks")],
    )


def method(workloads: Workloads, token: str) -> str | None:
    """How this token was proven."""
    shown = asyncio.run(workloads.token(token, NOW))
    return None if shown is None else shown.method


def test_each_token_goes_to_its_own_verifier(workloads: Workloads) -> None:
    """By what it says of itself; what is of neither is for others to judge."""
    for _ in range(2):
        assert method(workloads, HOME.token()) == "jwt_svid"
        assert method(workloads, account_token()) == "k8s_sa_token"
        assert method(workloads, sign()) is None
        assert method(workloads, "rub.bi.sh") is None


@pytest.mark.parametrize(
    "token",
    [
        lambda: HOME.token({"aud": "x"}),
        lambda: account_token(aud=["x"]),
        lambda: account_token(sub=AGENT),
        lambda: HOME.token({"iss": CLUSTER}),
    ],
    ids=["for somebody else", "of a cluster, for somebody else", "of a cluster, as an SVID", "an SVID of a cluster"],
)
def test_what_is_recognised_is_judged_there_alone(workloads: Workloads, token: Any) -> None:
    """A refusal is a refusal: no other verifier is tried."""
    with pytest.raises(Refused, match="identity_invalid"):
        method(workloads, token())


def test_without_configuration_nothing_is_recognised() -> None:
    """Tokens are left to others, and no certificate counts."""
    assert method(Workloads(), HOME.token()) is None
    with pytest.raises(Refused, match="x509_trust_domain"):
        asyncio.run(Workloads().certificates(HOME.svid(), NOW))


def test_certificates_are_judged(workloads: Workloads) -> None:
    """By the bundle of their trust domain."""
    assert asyncio.run(workloads.certificates(HOME.svid(), NOW)).subject == AGENT


def test_a_peer_is_its_user_for_a_while(workloads: Workloads) -> None:
    """As old as can be, so that every revocation ends it; the same for every connection of a few minutes."""
    shown = workloads.peer(LocalPeer(uid=1000, gid=1, pid=2), NOW)
    assert (shown.issuer, shown.subject, shown.method, shown.issued_at) == ("unix", "uid=1000", "peercred", 0.0)
    assert workloads.peer(LocalPeer(uid=1000, gid=1, pid=2), shown.not_after - 3599) == shown
    assert workloads.peer(LocalPeer(1001, 1, 2), NOW).subject == "uid=1001"


@given(life=st.integers(60, 86_400), since=st.floats(0, 100_000))
def test_a_peer_counts_for_what_is_set_and_hardly_less(life: int, since: float) -> None:
    """Never longer; and never next to nothing, whatever the time of day at which it connects."""
    now = NOW + since
    left = Workloads(peer_life=life).peer(LocalPeer(1000, 1, 2), now).not_after - now
    assert 0.89 * life < left <= life + 1e-3


def test_what_is_remembered_of_routes_is_bounded(workloads: Workloads, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up tokens do not fill the memory."""
    monkeypatch.setattr(module, "_MOST_ROUTED", 3)
    for n in range(9):
        method(workloads, f"rub.bi.sh{n}")
    assert len(workloads._routes) == 3


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("0 0 4294967295", {-1}),
        ("0 1000 1\n1 100000 65536", {-1, 65533}),
        ("0 1000 1", {-1, 65533}),
        ("rubbish", {-1, 65534}),
        (None, {-1, 65534}),
    ],
)
def test_which_number_stands_for_many_users(tmp_path: Path, rows: str | None, expected: set[int]) -> None:
    """None where every user has a number; in a container that of the overflow; where it is not known, the usual one."""
    for name, text in (("self/uid_map", rows), ("sys/kernel/overflowuid", "65533\n")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is not None:
            path.write_text(text)
    assert module.unmapped(tmp_path) == expected
    assert Workloads().known_user(LocalPeer(1000, 1, 1))
    assert not Workloads().known_user(LocalPeer(-1, 1, 1))
