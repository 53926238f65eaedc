"""The certificate authority."""

import ipaddress
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from proxy.errors import CountersignError
from proxy.listener.ca import MAX_LEAVES, Authority

NOW = 1_790_000_000.0
DAY = 86_400


def test_made_once_and_kept(tmp_path: Path) -> None:
    """The first start makes it, the second one finds it; its key is for its owner only."""
    first = Authority.at(tmp_path / "ca", NOW)
    again = Authority.at(tmp_path / "ca", NOW + DAY)
    assert first.certificate == again.certificate
    assert stat.S_IMODE((tmp_path / "ca" / "ca-key.pem").stat().st_mode) == 0o600
    assert b"PRIVATE" not in (tmp_path / "ca" / "ca.pem").read_bytes()
    assert not list((tmp_path / "ca").glob(".*"))


def test_several_processes_agree(tmp_path: Path) -> None:
    """However many start at once, all use the same authority."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Authority.at(tmp_path, NOW).certificate, range(8)))
    assert len(set(found)) == 1


def test_leaves(tmp_path: Path) -> None:
    """A leaf is for its host alone, cannot sign, is signed by the authority, and does not use its key."""
    authority = Authority.at(tmp_path, NOW)
    leaf = authority.leaf("a.test", NOW).certificate
    leaf.verify_directly_issued_by(authority.certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.test"]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert leaf.public_key() != authority.certificate.public_key()
    address = authority.leaf("::1", NOW).certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(ip) for ip in address.value.get_values_for_type(x509.IPAddress)] == ["::1"]


def test_leaves_are_kept_and_renewed(tmp_path: Path) -> None:
    """A leaf is made once, and again well before it expires; the cache does not grow for ever."""
    authority = Authority.at(tmp_path, NOW)
    leaf = authority.leaf("a.test", NOW)
    assert authority.leaf("a.test", NOW + DAY) is leaf
    renewed = authority.leaf("a.test", leaf.renew_at)
    assert renewed.certificate != leaf.certificate
    assert leaf.certificate.not_valid_after_utc.timestamp() > leaf.renew_at + DAY
    for number in range(3):
        authority._leaves[f"h{number}"] = leaf
    authority._leaves.update((f"x{number}", leaf) for number in range(MAX_LEAVES))
    authority.leaf("new.test", NOW)
    assert "a.test" not in authority._leaves


def test_the_bundle_holds_public_roots_and_ours(tmp_path: Path) -> None:
    """Clients that take one file of roots can still reach what they could reach before."""
    authority = Authority.at(tmp_path, NOW)
    authority.write_bundle(tmp_path / "bundle.pem")
    public = ssl.create_default_context(cafile=certifi.where()).cert_store_stats()["x509_ca"]
    assert ssl.create_default_context(cafile=str(tmp_path / "bundle.pem")).cert_store_stats()["x509_ca"] == public + 1


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_broken_file(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be read is a person's mistake to mend; it is not overwritten."""
    (tmp_path / "ca-key.pem").write_bytes(content)
    with pytest.raises(CountersignError, match=r"ca-key\.pem: is not a key with its certificate in PEM; restore it"):
        Authority.at(tmp_path, NOW)
    assert (tmp_path / "ca-key.pem").read_bytes() == content


def test_an_expired_authority(tmp_path: Path) -> None:
    """An authority that no client would trust any more does not start."""
    Authority.at(tmp_path, NOW)
    with pytest.raises(CountersignError, match="expired"):
        Authority.at(tmp_path, NOW + 3651 * DAY)


def test_key_and_certificate_that_do_not_belong_together(tmp_path: Path) -> None:
    """A file put together from two authorities is refused."""
    first, second = tmp_path / "1", tmp_path / "2"
    for place in (first, second):
        Authority.at(place, NOW)
    key = (first / "ca-key.pem").read_bytes().split(b"-----BEGIN CERT")[0]
    (first / "ca-key.pem").write_bytes(key + (second / "ca.pem").read_bytes())
    with pytest.raises(CountersignError, match="belong together"):
        Authority.at(first, NOW)


def test_a_certificate_for_ourselves(tmp_path: Path) -> None:
    """It has all names that it is asked for."""
    leaf = Authority.at(tmp_path, NOW).server_leaf(("gov.test", "::1"), NOW)
    names = leaf.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["gov.test", ipaddress.ip_address("::1")]
