"""The two algorithms that we sign with."""

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proxy.downstream.key_kinds import ES256, RS256, KeyKind


@pytest.mark.parametrize(("kind", "members"), [(ES256, "crv kty x y"), (RS256, "e kty n")])
def test_another_library_verifies_what_a_key_signs(kind: KeyKind, members: str) -> None:
    """By the public members alone, of which each is one that a thumbprint is made of (RFC 7638 section 3.2)."""
    public, sign = kind.use(kind.make())
    assert " ".join(sorted(public)) == members
    algorithm = jwt.get_algorithm_by_name(kind.algorithm)
    key: Any = jwt.PyJWK(dict(public), kind.algorithm).key
    for _ in range(8):
        assert algorithm.verify(b"said", key, sign(b"said"))
        assert not algorithm.verify(b"other", key, sign(b"said"))


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        ed25519.Ed25519PrivateKey.generate(),
        ES256.make().public_key(),
        "a key",
    ],
    ids=["another curve", "too few bits", "another kind", "public", "no key"],
)
def test_a_key_of_another_kind_is_none(key: object) -> None:
    """Neither of the two takes it."""
    for kind in (ES256, RS256):
        with pytest.raises(TypeError):
            kind.use(key)


def test_neither_takes_a_key_of_the_other() -> None:
    """One algorithm for one key."""
    for kind, other in ((ES256, RS256), (RS256, ES256)):
        with pytest.raises(TypeError):
            kind.use(other.make())
