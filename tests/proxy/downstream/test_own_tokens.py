"""Our own transaction tokens, shown to us again."""

from pathlib import Path

import pytest

from proxy.downstream.own_tokens import OwnTxnTokens
from proxy.downstream.profile import Rejected
from proxy.downstream.signer import ROTATE_AFTER
from tests.fakes.accounts import DOMAIN, NOW, minted, signed_again, signer


def test_what_we_minted_is_known_again(tmp_path: Path) -> None:
    """For as long as it lives, to the second, also after the key has changed."""
    made = signer(tmp_path)
    own, token = OwnTxnTokens(DOMAIN, made.jwks), minted(made)
    assert own.verify(token, NOW + 59).actor == "agent:bot"
    with pytest.raises(Rejected, match="token_expired"):
        own.verify(token, NOW + 60)
    later = NOW + ROTATE_AFTER + 1
    newer = minted(made, now=later)
    assert made.rotate_if_due(later)
    assert own.verify(newer, later + 1).task == "task_1"
    assert own.verify(minted(made, now=later + 2), later + 2).task == "task_1"


def test_a_key_that_is_withdrawn_ends_what_it_signed(tmp_path: Path) -> None:
    """As soon as it is known of: what was read before is forgotten."""
    made, epoch = signer(tmp_path), 0
    keys = made.jwks(NOW)
    own, token = OwnTxnTokens(DOMAIN, lambda _: keys, lambda: epoch), minted(made)
    assert own.verify(token, NOW + 1).task == "task_1"
    keys, epoch = {"keys": []}, 1
    with pytest.raises(Rejected, match="key_unknown"):
        own.verify(token, NOW + 1)


def test_what_is_of_another_house_is_not(tmp_path: Path) -> None:
    """Another trust domain, another issuer, another key: nothing that we handed on."""
    (tmp_path / "other").mkdir()
    made, other = signer(tmp_path), signer(tmp_path / "other")
    own, token = OwnTxnTokens(DOMAIN, made.jwks), minted(made)
    for forged, reason in (
        (signed_again(made, token, aud="other.example"), "token_audience"),
        (signed_again(made, token, iss="spiffe://other.example/countersign"), "token_issuer"),
        (signed_again(made, token, exp=int(NOW) + 121), "token_lifetime"),
        (signed_again(made, token, iat=int(NOW) + 2), "token_not_yet_valid"),
        (minted(other), "key_unknown"),
    ):
        with pytest.raises(Rejected, match=reason):
            own.verify(forged, NOW + 1)
    with pytest.raises(Rejected, match="token_audience"):
        OwnTxnTokens("other.example", made.jwks).verify(
            signed_again(made, token, iss="spiffe://other.example/countersign"), NOW + 1
        )
