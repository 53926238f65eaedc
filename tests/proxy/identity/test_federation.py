"""Bundles kept current: from a file, and from real HTTPS endpoints of both profiles."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from proxy.errors import Refused
from proxy.identity.bundles import Bundle
from proxy.identity.federation import BundleSource, SpiffeOrigin
from proxy.identity.interfaces import BundleStore
from proxy.identity.origins import FetchFailed
from proxy.identity.trust_domains import TrustDomainSettings
from tests.fakes.bundle_endpoint import BundleEndpoint
from tests.fakes.issuer import NOW, jwk
from tests.fakes.stores import MemoryBundleStore
from tests.fakes.trust_domain import DOMAIN, OURS, Plan, TrustDomain, authority, certify, root_entry

REAL = time.time()  # endpoints are met over real TLS, which asks the real clock
HOME, OTHER = TrustDomain(at=REAL), TrustDomain("partner.example", at=REAL)
ENDPOINT = "spiffe://prod.example/bundle-endpoint"


def by_file(path: Path) -> BundleSource:
    """A trust domain whose bundle is in a file."""
    return BundleSource(TrustDomainSettings(DOMAIN, OURS, bundle_file=path))


def current(source: BundleSource, now: float = NOW) -> Bundle:
    """The bundle that counts then."""
    return asyncio.run(source.current(now))


# --- from a file -----------------------------------------------------------------------------------


def test_the_last_good_bundle_counts_for_an_hour(tmp_path: Path) -> None:
    """A file that breaks or goes changes nothing for an hour; after that the trust domain is refused."""
    path = tmp_path / "bundle.json"
    source = by_file(path)
    with pytest.raises(Refused, match="no keys of trust domain prod"):
        current(source)
    path.write_bytes(HOME.bundle())
    assert current(source, NOW + 10).roots
    path.write_bytes(b"{")
    assert current(source, NOW + 3610).roots
    with pytest.raises(Refused) as caught:
        current(source, NOW + 3611)
    assert (caught.value.refusal.reason, caught.value.refusal.status) == ("identity_unavailable", 503)


def test_a_sequence_never_goes_back(tmp_path: Path) -> None:
    """A lower sequence, or none after one, is an old document: the newer bundle stays."""
    path = tmp_path / "bundle.json"
    source = by_file(path)
    seen = []
    for n, sequence in enumerate((5, 6, 4, None, 6, 7)):
        numbered = {} if sequence is None else {"spiffe_sequence": sequence}
        path.write_bytes(HOME.bundle(HOME.jwt_key, jwk("ES256", f"k{n}", use="jwt-svid"), **numbered))
        seen.append({name for name, _ in current(source, NOW + n).keys} - {DOMAIN})
    assert seen == [{"k0"}, {"k1"}, {"k1"}, {"k1"}, {"k4"}, {"k5"}]


def test_a_sequence_does_not_go_back_by_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Keys that were withdrawn before it stay so: the old bundle proves nobody, and the log says what to do."""
    path, store = tmp_path / "bundle.json", MemoryBundleStore()
    settings = TrustDomainSettings(DOMAIN, OURS, bundle_file=path)

    def restarted(sequence: int | None, generation: int = 0) -> BundleSource:
        path.write_bytes(HOME.bundle(**({} if sequence is None else {"spiffe_sequence": sequence})))
        return BundleSource(replace(settings, generation=generation), store=store)

    assert current(restarted(None)).roots
    assert current(restarted(7)).sequence == 7
    for old in (6, None):
        with pytest.raises(Refused) as caught:
            current(restarted(old))
        assert (caught.value.refusal.reason, caught.value.refusal.status) == ("identity_unavailable", 503)
        assert f"its sequence went back, to {old}" in caplog.text
    assert "`bundle_generation`" in caplog.text
    assert current(restarted(7)).sequence == 7
    assert current(restarted(1, generation=1)).sequence == 1
    with pytest.raises(Refused):
        current(restarted(1))


def test_a_bundle_that_cannot_be_kept_is_not_taken(tmp_path: Path) -> None:
    """A store that is down could not say whether it is an old one: the last good one counts, and without one nobody."""
    path, store = tmp_path / "bundle.json", MemoryBundleStore(failing=True)
    path.write_bytes(HOME.bundle(spiffe_sequence=1))
    source = BundleSource(TrustDomainSettings(DOMAIN, OURS, bundle_file=path), store=store)
    with pytest.raises(Refused):
        current(source)
    store.failing = False
    assert current(source, NOW + 10).sequence == 1
    store.failing = True
    path.write_bytes(HOME.bundle(spiffe_sequence=2))
    assert current(source, NOW + 20).sequence == 1


def test_an_empty_bundle_ends_what_was_valid(tmp_path: Path) -> None:
    """It is taken like any other, and what was verified before counts no more."""
    path = tmp_path / "bundle.json"
    path.write_bytes(HOME.bundle())
    source = by_file(path)
    current(source)
    path.write_bytes(b'{"keys": []}')
    assert current(source, NOW + 1).roots == ()
    assert source.epoch == 1


def test_bundles_are_never_merged(tmp_path: Path) -> None:
    """Each trust domain has its own, whatever the others hold."""
    (tmp_path / "home").write_bytes(HOME.bundle())
    (tmp_path / "other").write_bytes(OTHER.bundle())
    home = by_file(tmp_path / "home")
    other = BundleSource(TrustDomainSettings("partner.example", OURS, bundle_file=tmp_path / "other"))
    assert current(home).roots == (HOME.root.certificate,)
    assert current(other).roots == (OTHER.root.certificate,)


# --- https_web ---------------------------------------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Iterator[BundleEndpoint]:
    """An endpoint with a certificate for its host's name."""
    root = certify(authority(name="web"), "web-root", at=REAL)
    (tmp_path / "web-root.pem").write_bytes(root.pem)
    with BundleEndpoint(tmp_path, certify(Plan(uris=(), dns=("localhost",)), "web", root, REAL)) as endpoint:
        yield endpoint


def over_web(endpoint: BundleEndpoint, ca_bundle: Path | None) -> BundleSource:
    """A trust domain whose bundle is behind this endpoint."""
    return BundleSource(
        TrustDomainSettings(DOMAIN, OURS, bundle_url=endpoint.url, profile="https_web", ca_bundle=ca_bundle)
    )


def test_a_web_endpoint_is_asked_again_as_its_bundle_says(web: BundleEndpoint, tmp_path: Path) -> None:
    """The refresh hint counts, within 30 and 300 seconds."""
    for hint, asked_at, kept_at in ((None, 300, 299), (60, 60, 59), (1, 30, 29), (86_400, 300, 299)):
        web.document = HOME.bundle(**({} if hint is None else {"spiffe_refresh_hint": hint}))
        source = over_web(web, tmp_path / "web-root.pem")
        web.seen.clear()
        for now, requests in ((0, 1), (kept_at, 1), (asked_at, 2)):
            assert current(source, NOW + now).roots == (HOME.root.certificate,)
            assert len(web.seen) == requests
        assert web.seen[0].headers.get("authorization") is None


def test_a_web_endpoint_must_be_known(web: BundleEndpoint) -> None:
    """Without its root there is no bundle, and so nothing of that trust domain."""
    web.document = HOME.bundle()
    with pytest.raises(Refused, match="no keys"):
        current(over_web(web, None))
    assert web.seen == []


def test_no_redirect_is_followed(web: BundleEndpoint, tmp_path: Path) -> None:
    """An answer never names another place to read the bundle from."""
    web.broken = 307, {"location": f"{web.url}2"}, HOME.bundle()
    with pytest.raises(Refused, match="no keys"):
        current(over_web(web, tmp_path / "web-root.pem"))
    assert len(web.seen) == 1


# --- https_spiffe --------------------------------------------------------------------------------------


def over_spiffe(
    url: str, folder: Path, bootstrap: bytes, endpoint: str = ENDPOINT, store: BundleStore | None = None
) -> BundleSource:
    """A trust domain whose endpoint shows itself by an SVID."""
    (folder / "bootstrap.json").write_bytes(bootstrap)
    return BundleSource(
        TrustDomainSettings(
            DOMAIN, OURS, bundle_url=url, profile="https_spiffe", endpoint_spiffe_id=endpoint,
            bootstrap_file=folder / "bootstrap.json",
        ),
        store=store,
    )  # fmt: skip


def serving(folder: Path, home: TrustDomain, **leaf: Any) -> BundleEndpoint:
    """An endpoint with an SVID of this trust domain."""
    svid = certify(Plan(**({"uris": (ENDPOINT,)} | leaf)), "endpoint", home.intermediate, REAL)
    return BundleEndpoint(folder, svid, home.intermediate)


def test_a_spiffe_endpoint_is_known_by_its_id(tmp_path: Path) -> None:
    """By the bootstrap bundle at first, and from then on by the bundle that it gave."""
    with serving(tmp_path, HOME) as endpoint:
        endpoint.document = HOME.bundle(spiffe_sequence=1)
        source = over_spiffe(endpoint.url, tmp_path, HOME.bundle(HOME.x509_key))
        assert set(current(source).keys) == {(DOMAIN, "ES256")}
        (tmp_path / "bootstrap.json").unlink()
        endpoint.document = HOME.bundle(HOME.x509_key, spiffe_sequence=2)
        assert current(source, NOW + 300).sequence == 2
        # The trust domain gives up its root. An older bundle would know the endpoint still, and is not asked.
        new = certify(authority(name="new"), "new-root", at=REAL)
        endpoint.document = HOME.bundle(root_entry(new), spiffe_sequence=3)
        assert current(source, NOW + 600).roots == (new.certificate,)
        (tmp_path / "bootstrap.json").write_bytes(HOME.bundle())
        endpoint.document = HOME.bundle(spiffe_sequence=4)
        assert current(source, NOW + 900).sequence == 3


def test_after_a_restart_an_endpoint_is_known_by_its_last_bundle(tmp_path: Path) -> None:
    """Not by the bootstrap bundle: whoever has a root that was given up since could pose as it, with any sequence."""
    store = MemoryBundleStore()
    new = certify(authority(name="new"), "new-root", at=REAL)
    with serving(tmp_path, HOME) as endpoint:
        endpoint.document = HOME.bundle(root_entry(new), spiffe_sequence=3)
        assert current(over_spiffe(endpoint.url, tmp_path, HOME.bundle(), store=store)).sequence == 3
        endpoint.document = HOME.bundle(spiffe_sequence=4)
        with pytest.raises(Refused, match="no keys"):
            current(over_spiffe(endpoint.url, tmp_path, HOME.bundle(), store=store))
        store.failing = True
        with pytest.raises(Refused, match="no keys"):
            current(over_spiffe(endpoint.url, tmp_path, HOME.bundle(), store=store))


def test_an_endpoint_of_another_trust_domain_is_known_by_that_ones_bundle(tmp_path: Path) -> None:
    """The bootstrap bundle is that of the endpoint's own trust domain, and vouches for no identity of ours."""
    name = "spiffe://partner.example/host"
    with serving(tmp_path, OTHER, uris=(name,)) as endpoint:
        endpoint.document = HOME.bundle()
        source = over_spiffe(endpoint.url, tmp_path, OTHER.bundle(), name)
        assert current(source).roots == (HOME.root.certificate,)
        assert current(source, NOW + 300).roots == (HOME.root.certificate,)


@pytest.mark.parametrize(
    ("leaf", "home"),
    [
        pytest.param({"uris": ("spiffe://prod.example/agent/refunds",)}, HOME, id="another id"),
        pytest.param({"uris": ("spiffe://prod.example",)}, HOME, id="the trust domain itself"),
        pytest.param({"uris": (ENDPOINT, ENDPOINT)}, HOME, id="two ids"),
        pytest.param({"uris": (), "dns": ("localhost",)}, HOME, id="the host's name alone"),
        pytest.param({"extended": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, HOME, id="not for servers"),
        pytest.param({"ends": -1}, HOME, id="expired"),
        pytest.param({}, OTHER, id="another's authority"),
    ],
)
def test_any_other_endpoint_gives_no_bundle(tmp_path: Path, leaf: dict[str, Any], home: TrustDomain) -> None:
    """Whoever cannot show exactly that SVID is not listened to."""
    with serving(tmp_path, home, **leaf) as endpoint:
        endpoint.document = HOME.bundle()
        with pytest.raises(Refused, match="no keys"):
            current(over_spiffe(endpoint.url, tmp_path, HOME.bundle()))


def test_an_endpoint_of_the_wrong_id_is_named(tmp_path: Path) -> None:
    """The log says who answered instead."""
    with serving(tmp_path, HOME, uris=("spiffe://prod.example/agent/refunds",)) as endpoint:
        origin = SpiffeOrigin(endpoint.url, ENDPOINT, lambda: (HOME.root.certificate,))
        with pytest.raises(FetchFailed, match=r"it is spiffe://prod\.example/agent/refunds, not"):
            asyncio.run(origin.fetch())
        with pytest.raises(FetchFailed, match="no root"):
            asyncio.run(SpiffeOrigin(endpoint.url, ENDPOINT, tuple).fetch())


def test_a_missing_bootstrap_is_a_failure(tmp_path: Path) -> None:
    """Without it the endpoint is nobody."""
    source = over_spiffe("https://localhost:9/bundle", tmp_path, b"{")
    for broken in (lambda: None, (tmp_path / "bootstrap.json").unlink):
        broken()
        with pytest.raises(Refused, match="no keys"):
            current(source)


def test_the_settings_decide_where_a_bundle_comes_from(tmp_path: Path) -> None:
    """A socket that is not there is a failure to fetch, not an exception."""
    socket = replace(TrustDomainSettings(DOMAIN, OURS, workload_api=f"unix://{tmp_path}/none.sock"))
    with pytest.raises(Refused, match="no keys"):
        current(BundleSource(socket))
