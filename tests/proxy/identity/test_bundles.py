"""The bundle of a trust domain, entry by entry."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.bundles import Bundle, read_bundle
from tests.fakes.issuer import jwk
from tests.fakes.trust_domain import DOMAIN, Plan, TrustDomain, authority, certify, root_entry

HOME = TrustDomain()
WEAK = certify(authority(kind="RSA1024"), "weak-root")


def read(*keys: dict[str, Any], **members: Any) -> Bundle:
    """The bundle of these entries."""
    return read_bundle(json.dumps({"keys": list(keys), **members}).encode(), DOMAIN)


def test_a_bundle_has_roots_and_keys() -> None:
    """Each by its `use`, with the sequence and the hint that it carries."""
    found = read(HOME.x509_key, HOME.jwt_key, spiffe_sequence=7, spiffe_refresh_hint=60)
    assert found.roots == (HOME.root.certificate,)
    assert set(found.keys) == {(DOMAIN, "ES256")}
    assert (found.sequence, found.refresh_hint, found.trust_domain) == (7, 60, DOMAIN)


def test_an_empty_bundle_is_a_bundle() -> None:
    """No keys: nothing of that trust domain is valid any more."""
    found = read()
    assert (found.roots, found.keys, found.fingerprints) == ((), {}, frozenset())


def test_an_rsa_key_fits_its_six_algorithms_and_no_eddsa_fits() -> None:
    """An entry that names no algorithm may verify all that the specification lists; one that names one, that."""
    both = read(jwk("RS256", "rsa", use="jwt-svid"), jwk("EdDSA", "ed", use="jwt-svid"))
    assert {algorithm for _, algorithm in both.keys} == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    assert set(read(jwk("RS256", "rsa", use="jwt-svid", alg="PS256")).keys) == {("rsa", "PS256")}


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(jwk("ES256", use="sig"), id="another use"),
        pytest.param(jwk("ES256", use=None), id="no use"),
        pytest.param(jwk("ES256", use="wit-svid"), id="for another kind of SVID"),
        pytest.param(jwk("ES256", use="jwt-svid", kid=None), id="a token key without a name"),
        pytest.param(jwk("ES256", use="jwt-svid", kid=""), id="a token key with an empty name"),
        pytest.param(jwk("ES256", use="jwt-svid", kid="k" * 257), id="a token key with a long name"),
        pytest.param(jwk("EdDSA", use="jwt-svid"), id="EdDSA"),
        pytest.param(jwk("RS1024", use="jwt-svid"), id="RSA of 1024 bits"),
        pytest.param(root_entry(HOME.root, kid="k"), id="a root with a name"),
        pytest.param(root_entry(HOME.root, x5c=None), id="a root without certificate"),
        pytest.param(root_entry(HOME.root, x5c=[]), id="a root with an empty list"),
        pytest.param(root_entry(HOME.root, x5c=["!"]), id="a root that is not base64"),
        pytest.param(root_entry(HOME.root, x5c=["AAAA"]), id="a root that is no certificate"),
        pytest.param(root_entry(HOME.root, x5c=[7]), id="a root that is a number"),
        pytest.param(root_entry(WEAK), id="a weak root"),
        pytest.param(root_entry(certify(Plan(), "leaf-as-root")), id="a leaf as root"),
    ],
)
def test_an_unfit_entry_is_left_out(entry: dict[str, Any]) -> None:
    """What is not exactly a root or a token key is ignored, and the others stay."""
    found = read(entry, HOME.x509_key, HOME.jwt_key)
    assert (len(found.roots), set(found.keys)) == (1, {(DOMAIN, "ES256")})


def test_two_keys_of_one_name_verify_nothing() -> None:
    """Also if one of them is for WIT-SVIDs: names are unique over both (section 4.2)."""
    for use in ("jwt-svid", "wit-svid"):
        assert read(jwk("ES256", "same", use="jwt-svid"), jwk("RS256", "same", use=use)).keys == {}


def test_what_was_taken_away_is_noticed() -> None:
    """Fingerprints cover roots and keys, and a key that changed under its name."""
    whole = read(HOME.x509_key, HOME.jwt_key)
    for less in (read(HOME.x509_key), read(HOME.jwt_key), read(jwk("ES256", "new", use="jwt-svid", kid=DOMAIN))):
        assert not whole.fingerprints <= less.fingerprints


@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [], "keys": []}', b'{"keys": [], "Keys": []}',
        b'{"keys": [], "spiffe_sequence": "1"}', b'{"keys": [], "spiffe_sequence": -1}',
        b'{"keys": [], "spiffe_sequence": true}', b'{"keys": [], "spiffe_refresh_hint": 1.5}',
        b'{"keys": [], "spiffe_sequence": null}', b'{"keys": [{"use": "jwt-svid", "use": "sig"}]}',
        json.dumps({"keys": [{}] * 65}).encode(),
    ],
)  # fmt: skip
def test_a_document_that_is_no_bundle_is_told(document: bytes) -> None:
    """Duplicate members among them: then the last good bundle counts, rather than an empty one."""
    with pytest.raises(ValueError, match=r"\w"):
        read_bundle(document, DOMAIN)


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "x5c"]),
        st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2) | st.just({}),
        max_size=4,
    )
)
def test_strange_entries_are_left_out_and_nothing_else(members: dict[str, Any]) -> None:
    """Whatever an entry is made of, it is used or left out; no other exception comes out."""
    assert len(read(HOME.jwt_key | members).keys) <= 6
    assert len(read(HOME.x509_key | members).roots) <= 1


@given(st.binary(max_size=60))
def test_any_bytes_are_a_bundle_or_a_value_error(data: bytes) -> None:
    """A result or a refusal, never anything else."""
    with contextlib.suppress(ValueError):
        read_bundle(data, DOMAIN)
