"""Which keys of a published set may verify anything."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.identity.issuers import IssuerSettings
from proxy.identity.key_sets import KeySet, read_key_set
from tests.fakes.issuer import AUDIENCE, ISSUER, jwk, key_set, private_key


def profile(**changes: Any) -> IssuerSettings:
    """A profile that takes ES256 and RS256."""
    good = {"issuer": ISSUER, "audience": AUDIENCE, "algorithms": ("ES256", "RS256"), "jwks_file": Path("/jwks")}
    return IssuerSettings(**(good | changes))


def read(*keys: dict[str, Any], **changes: Any) -> KeySet:
    """The usable keys of a set of these."""
    return read_key_set(key_set(*keys), profile(**changes))


def test_a_key_is_bound_to_one_algorithm() -> None:
    """A key keeps its own algorithm, or gets the first configured one that fits it."""
    keys = read(jwk("ES256"), jwk("RS256", "rsa"))
    assert {name: key.algorithm_name for name, key in keys.keys.items()} == {"k1": "ES256", "rsa": "RS256"}
    assert read(jwk("RS256", "rsa"), algorithms=("PS256", "RS256")).keys["rsa"].algorithm_name == "PS256"
    assert read(jwk("RS256", "rsa", alg="RS256"), algorithms=("PS256", "RS256")).keys["rsa"].algorithm_name == "RS256"


def private_jwk() -> dict[str, Any]:
    """A private key that somebody published."""
    whole: dict[str, Any] = json.loads(jwt.get_algorithm_by_name("ES256").to_jwk(private_key("ES256")))
    whole.pop("key_ops", None)
    return whole | {"kid": "k1", "use": "sig"}


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(jwk("ES256", use="enc"), id="for encryption"),
        pytest.param(jwk("ES256", use="jwt-svid"), id="for another kind of token"),
        pytest.param(jwk("ES256") | {"use": None}, id="a use that is null"),
        pytest.param(jwk("ES256", key_ops=["sign"]), id="for signing"),
        pytest.param(jwk("ES256", key_ops=["verify", "sign"]), id="for verifying and more"),
        pytest.param(jwk("ES256", key_ops=[]), id="for nothing"),
        pytest.param(jwk("ES256", alg="ES384"), id="of another algorithm"),
        pytest.param(jwk("RS256", alg="PS256"), id="of an algorithm that is not configured"),
        pytest.param(jwk("ES384"), id="on a curve that is not configured"),
        pytest.param(jwk("EdDSA"), id="of a type that is not configured"),
        pytest.param(jwk("RS1024"), id="RSA of 1024 bits"),
        pytest.param(jwk("RS256", n="A" * 1401), id="RSA of too many bits"),
        pytest.param(jwk("ES256", x="AAAA"), id="not on the curve"),
        pytest.param(jwk("ES256", x=None), id="without x"),
        pytest.param(jwk("ES256", crv=None), id="without curve"),
        pytest.param(jwk("ES256", kid=7), id="a kid that is a number"),
        pytest.param(private_jwk(), id="a private key"),
        pytest.param({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "ES256"}, id="a shared secret"),
        pytest.param({"kid": "k1"}, id="without a type"),
        pytest.param({"kty": ["EC"], "crv": {}, "kid": "k1"}, id="types of no kind"),
    ],
)
def test_an_unfit_key_verifies_nothing(key: dict[str, Any]) -> None:
    """A key that is not exactly one for verifying these tokens is left out, and the others stay."""
    assert list(read(key, jwk("ES256", "good")).keys) == ["good"]


def test_use_and_operations_may_be_absent_or_right() -> None:
    """RFC 7517 makes them optional; what is there must be right. A SPIFFE bundle must name its use."""
    assert read(jwk("ES256", use=None, key_ops=["verify"])).keys
    assert read(jwk("ES256", use="jwt-svid"), key_use="jwt-svid").keys
    assert not read(jwk("ES256", use=None), key_use="jwt-svid").keys


def test_two_keys_of_one_name_verify_nothing() -> None:
    """A name that two keys share says nothing about which of them is meant."""
    assert list(read(jwk("ES256", "same"), jwk("RS256", "same"), jwk("ES256", "own")).keys) == ["own"]


def test_finding_a_key() -> None:
    """A key is found by its exact name; without a name only a single key can be meant."""
    one, two = read(jwk("ES256")), read(jwk("ES256"), jwk("RS256", "rsa"))
    assert one.find("k1") is one.find(None) is not None
    assert (two.find(None), two.find("K1"), two.find("")) == (None, None, None)
    assert read().find(None) is None


def test_a_taken_key_is_noticed() -> None:
    """Fingerprints tell a key that went from one that came, also when it keeps its name."""
    one, two = read(jwk("ES256")), read(jwk("ES256"), jwk("RS256", "rsa"))
    assert one.fingerprints < two.fingerprints
    renewed = read(jwk("ES256", "new", kid="k1"))
    assert not one.fingerprints <= renewed.fingerprints


@pytest.mark.parametrize(
    "document",
    [
        b"", b"not json", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [], "keys": []}', b'{"keys": ' + b"[" * 40,
        b'{"keys": ["a"]' + b" " * 262_144 + b"}", key_set(*[{}] * 65),
    ],
)  # fmt: skip
def test_a_document_that_is_no_key_set_is_told(document: bytes) -> None:
    """Then the last good set stays in force, rather than an empty one."""
    with pytest.raises(ValueError, match=r"\w"):
        read_key_set(document, profile())


def test_an_empty_set_is_a_set() -> None:
    """An issuer that publishes no keys says that nothing of its is valid now."""
    assert read().keys == {}


@given(
    st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "d"]),
        st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=3), max_size=2) | st.just({}),
    )
)
def test_strange_keys_are_left_out_and_nothing_else(members: dict[str, Any]) -> None:
    """Whatever a key is made of, it is used or left out; no other exception comes out."""
    for kind in ("ES256", "RS256"):
        assert len(read(jwk(kind) | members).keys) <= 1
