"""What is the same for every kind of signed token."""

import asyncio
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from proxy.errors import Refused
from proxy.identity.compact import read
from proxy.identity.issuers import IssuerSettings
from proxy.identity.keys import KeySource
from proxy.identity.lineage import name_of
from proxy.identity.signed_tokens import SignedTokens, check_signature, digest_of
from proxy.identity.token_cache import VerifiedToken
from tests.fakes.issuer import AUDIENCE, ISSUER, NOW, header, jwk, key_set, private_key, sign


def signed_by(path: Path) -> SignedTokens:
    """Tokens of one issuer, whose keys are in this file."""
    return SignedTokens([KeySource(IssuerSettings(ISSUER, AUDIENCE, ("ES256",), jwks_file=path))])


def test_a_signature_is_right_or_refused(tmp_path: Path) -> None:
    """By the key that the token names; an unknown key and a wrong signature are told apart for the record."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("ES256")))
    signed = signed_by(path)
    for token, code in (
        (sign(), None),
        (sign(name="another"), "token_signature"),
        (sign(head=header(kid="x")), "token_key_unknown"),
    ):
        made = signed.check(token, read(token), digest_of(token), 0, NOW)
        if code is None:
            assert asyncio.run(made) == (0, name_of(private_key("ES256", "k1").public_key()))
        else:
            with pytest.raises(Refused) as caught:
                asyncio.run(made)
            assert caught.value.refusal.internal.startswith(code)


def test_what_was_read_is_what_was_signed() -> None:
    """A right signature over other bytes than those that were read as claims is refused."""
    token, key = sign(), jwt.PyJWK(jwk("ES256"))
    check_signature(token, read(token), key)
    with pytest.raises(Refused) as caught:
        check_signature(token, replace(read(token), payload=b"{}"), key)
    assert caught.value.refusal.internal == "token_parser_differential"


def test_a_wrong_signature_is_remembered_for_seconds(tmp_path: Path) -> None:
    """Until the keys change: then it is looked at again."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("ES256")))
    signed, token = signed_by(path), sign(name="another")

    async def code(now: float) -> str:
        try:
            await signed.check(token, read(token), digest_of(token), 0, now)
        except Refused as refused:
            return refused.refusal.internal
        return ""

    assert asyncio.run(code(NOW)).startswith("token_signature: ")
    assert asyncio.run(code(NOW + 1)) == "token_signature", "as it was found before"
    path.write_bytes(key_set(jwk("ES256", "another", kid="k1")))
    assert asyncio.run(code(NOW + 2)) == ""


def test_what_is_known_is_known_under_the_same_keys_alone(tmp_path: Path) -> None:
    """A token that was verified by a key which is gone is not known any more."""
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk("ES256")))
    signed = signed_by(path)
    token = VerifiedToken(ISSUER, "s", "j", NOW, NOW + 60, "d")
    signed.remember(token, 0, 0, NOW)
    assert asyncio.run(signed.known("d", NOW)) is token
    assert asyncio.run(signed.known("e", NOW)) is None
    path.write_bytes(key_set())
    assert asyncio.run(signed.known("d", NOW + 1)) is None


def test_a_key_verifies_by_its_own_algorithm_alone() -> None:
    """Whatever the header says."""
    from jwt import PyJWK

    token = sign()
    check_signature(token, read(token), PyJWK(jwk("ES256"), "ES256"))
    with pytest.raises(Refused, match="token_algorithm"):
        check_signature(token, read(token), PyJWK(jwk("RS256"), "RS256"))


def test_too_much_is_not_even_hashed() -> None:
    """A token has a largest size."""
    with pytest.raises(Refused, match="token_too_large"):
        digest_of("x" * 8193)
