"""Bundles from a real Workload API over a UNIX socket."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Refused
from proxy.identity import workload_api
from proxy.identity.bundles import Bundle
from proxy.identity.federation import BundleSource
from proxy.identity.origins import FetchFailed
from proxy.identity.trust_domains import TrustDomainSettings
from proxy.identity.workload_address import target_of
from proxy.identity.workload_api import WorkloadApi, split_der
from tests.fakes.issuer import NOW, jwk
from tests.fakes.trust_domain import DOMAIN, OURS, TrustDomain, authority, certify
from tests.fakes.workload_api_server import WorkloadApiServer

HOME, OTHER = TrustDomain(), TrustDomain("partner.example")


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkloadApiServer]:
    """A server that gives two trust domains, as SPIRE does: named by their IDs, keys without `use`."""
    monkeypatch.setattr(workload_api, "_SHARED_FOR", 0.0)
    with WorkloadApiServer(tmp_path) as server:
        server.authorities = {"spiffe://prod.example": HOME.root.der, "spiffe://partner.example": OTHER.root.der}
        server.keys = {"spiffe://prod.example": json.dumps({"keys": [jwk("ES256", "td-key", use=None)]}).encode()}
        yield server


def source_of(server: WorkloadApiServer, domain: str = DOMAIN) -> BundleSource:
    """The bundle of this trust domain, by way of that server."""
    return BundleSource(TrustDomainSettings(domain, OURS, workload_api=server.address))


def current(source: BundleSource, now: float = NOW) -> Bundle:
    """The bundle that counts then."""
    return asyncio.run(source.current(now))


def test_a_bundle_has_both_halves_of_its_own_trust_domain(api: WorkloadApiServer) -> None:
    """Roots and token keys; a federated trust domain has its own, and never ours."""
    home = current(source_of(api))
    assert (home.roots, set(home.keys)) == ((HOME.root.certificate,), {("td-key", "ES256")})
    other = current(source_of(api, "partner.example"))
    assert (other.roots, other.keys) == ((OTHER.root.certificate,), {})


def test_several_roots_come_in_a_row(api: WorkloadApiServer) -> None:
    """All authorities of a trust domain are in one field, one behind the other."""
    new = certify(authority(name="new"), "next-root")
    api.authorities["spiffe://prod.example"] += new.der
    assert current(source_of(api)).roots == (HOME.root.certificate, new.certificate)


def test_keys_for_another_kind_of_svid_are_left_out(api: WorkloadApiServer) -> None:
    """A key that says what it is for is taken at its word."""
    keys = [jwk("ES256", "wit", use="wit-svid"), jwk("ES256", "sig", use="sig"), jwk("ES256", "jwt", use="jwt-svid")]
    api.keys["spiffe://prod.example"] = json.dumps({"keys": keys}).encode()
    assert set(current(source_of(api)).keys) == {("jwt", "ES256")}


def test_changes_are_noticed_within_seconds(api: WorkloadApiServer) -> None:
    """It is asked again after five seconds; what it no longer gives is no longer trusted."""
    source = source_of(api)
    current(source)
    api.authorities.pop("spiffe://prod.example")
    assert current(source, NOW + 4).roots
    gone = current(source, NOW + 5)
    assert (gone.roots, source.epoch) == ((), 1)
    api.keys.clear()
    assert current(source, NOW + 10).keys == {}


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.PERMISSION_DENIED])
def test_the_last_good_bundle_outlives_a_failure(api: WorkloadApiServer, code: grpc.StatusCode) -> None:
    """For an hour; who never had one is refused."""
    source = source_of(api)
    current(source)
    api.broken = code
    assert current(source, NOW + 3600).roots
    for late in (source, source_of(api)):
        with pytest.raises(Refused, match="no keys"):
            current(late, NOW + 3601)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda api: api.authorities.update({"spiffe://prod.example": b"\x30\x82"}),
        lambda api: api.keys.update({"spiffe://prod.example": b"{"}),
        lambda api: api.keys.update({"spiffe://prod.example": b'{"keys": [], "keys": []}'}),
        lambda api: api.authorities.update({"prod.example": OTHER.root.der}),
    ],
    ids=["roots cut short", "keys that are no JSON", "keys twice", "two answers"],
)
def test_a_broken_half_spoils_its_own_trust_domain_alone(
    api: WorkloadApiServer, spoil: Callable[[WorkloadApiServer], None]
) -> None:
    """The last good bundle of it counts; the others are read as before."""
    source = source_of(api)
    current(source)
    spoil(api)
    assert current(source, NOW + 5).roots
    with pytest.raises(Refused, match="no keys"):
        current(source_of(api))
    assert current(source_of(api, "partner.example")).roots


def test_one_answer_serves_all_who_ask_within_a_second(api: WorkloadApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust domains share what the Workload API said."""
    monkeypatch.setattr(workload_api, "_SHARED_FOR", 60.0)
    asked = WorkloadApi(target_of(api.address))
    assert asked.snapshot() is asked.snapshot()
    assert api.calls == ["FetchX509Bundles", "FetchJWTBundles"]
    with pytest.raises(TypeError):
        asked.snapshot()["x"] = b""  # type: ignore[index] - it cannot be changed, which is shown here


def test_the_environment_names_the_socket(api: WorkloadApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every other workload."""
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", api.address)
    assert current(BundleSource(TrustDomainSettings(DOMAIN, OURS, workload_api=""))).roots
    monkeypatch.delenv("SPIFFE_ENDPOINT_SOCKET")
    with pytest.raises(Refused, match="no keys"):
        current(BundleSource(TrustDomainSettings(DOMAIN, OURS, workload_api="")))


def test_a_server_that_says_nothing_is_a_failure(api: WorkloadApiServer) -> None:
    """A stream that ends before its first message gives no bundles."""
    api.silent = True
    with pytest.raises(FetchFailed, match="ended without an answer"):
        WorkloadApi(target_of(api.address)).snapshot()


@given(st.binary(max_size=40) | st.lists(st.just(HOME.root.der), max_size=3).map(b"".join))
def test_any_bytes_are_a_row_of_sequences_or_a_value_error(data: bytes) -> None:
    """All of the bytes, in order, or `ValueError`; never anything else."""
    try:
        assert b"".join(split_der(data)) == data
    except ValueError:
        return
