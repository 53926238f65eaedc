"""Tokens that we show other authorization servers."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import jwt
import pytest

from proxy.downstream.chain_tokens import ACTOR_TYP, SUBJECT_TYP, ChainTokens
from proxy.downstream.own_tokens import OwnTxnTokens
from proxy.downstream.profile import Rejected
from proxy.downstream.signer import Signer
from proxy.errors import Refused
from proxy.identity.assertions import AssertionVerifier
from proxy.identity.task_tokens import TaskTokenReader
from proxy.stages import Chain, Hop, Identity, Principal
from tests.fakes.accounts import DOMAIN
from tests.fakes.delegations import NOW, caller

ISSUER = "https://gov.example"
SERVER = "https://idp.example"


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.open(tmp_path / "keys", NOW)


def minted(signer: Signer, who: Identity, what: Literal["subject", "actor"] = "subject") -> str:
    tokens = ChainTokens(signer, ISSUER)
    make = tokens.subject_token if what == "subject" else tokens.actor_token
    return asyncio.run(make(who, SERVER, NOW)).value


def read(signer: Signer, token: str, audience: str = SERVER) -> dict[str, Any]:
    """As the authorization server reads it, by the keys that we publish."""
    keys = jwt.PyJWKSet.from_dict(signer.jwks(NOW))
    key = next(key for key in keys.keys if key.key_id == jwt.get_unverified_header(token)["kid"])
    off = {"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "aud", "exp", "iat", "jti"]}
    found: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        audience=audience,
        issuer=ISSUER,
        options=off,  # type: ignore[arg-type]  # PyJWT's own names
    )
    return found


def long_chain() -> Identity:
    """Alice, a planner of another house, then the refund bot."""
    who = caller()
    alice, bot = who.chain.members
    planner = Principal("service", "https://partner.example|planner")
    hops = (Hop(alice, planner, "endorsed", "x", "x"), Hop(planner, bot, "verified", "x", "x"))
    return replace(who, chain=Chain(alice, hops))


def test_the_subject_is_the_root_and_the_chain_is_in_it(signer: Signer) -> None:
    """For one audience, for a minute; the calling agent outermost, each party in its own namespace."""
    token = minted(signer, long_chain())
    said = read(signer, token)
    assert (said["sub"], said["sub_profile"], said["aud"]) == ("alice", "user", SERVER)
    assert said["exp"] - said["iat"] <= 60
    assert said["act"] == {
        "iss": ISSUER, "sub": "refund-bot", "sub_profile": "ai_agent",
        "act": {"iss": "https://partner.example", "sub": "planner", "sub_profile": "service"},
    }  # fmt: skip
    assert jwt.get_unverified_header(token)["typ"] == SUBJECT_TYP
    with pytest.raises(jwt.InvalidAudienceError):
        read(signer, token, "https://other.example")


def test_the_actor_is_the_agent_and_nobody_else(signer: Signer) -> None:
    """A direct statement, without `act`: servers refuse an actor token that has one."""
    token = minted(signer, caller(), "actor")
    said = read(signer, token)
    assert (said["sub"], "act" in said) == ("refund-bot", False)
    assert jwt.get_unverified_header(token)["typ"] == ACTOR_TYP


def test_each_is_another_one(signer: Signer) -> None:
    """Its id is its own, and neither the record nor an error ever shows its value."""
    tokens = ChainTokens(signer, ISSUER)
    one, two = (asyncio.run(tokens.subject_token(caller(), SERVER, NOW)) for _ in range(2))
    assert read(signer, one.value)["jti"] != read(signer, two.value)["jti"]
    assert one.value not in repr(one)
    assert read(signer, one.value)["jti"] in one.reference


@pytest.mark.parametrize("who", [caller(principal=None), caller(level="asserted")])
def test_nobody_is_made_up(signer: Signer, who: Identity) -> None:
    """An agent for itself, somebody whom it only names, a chain of which a part is missing: no subject."""
    with pytest.raises(Refused, match="credential_needs_principal"):
        minted(signer, who)
    broken = caller()
    with pytest.raises(Refused, match="credential_needs_principal"):
        minted(signer, replace(broken, chain=replace(broken.chain, complete=False)))
    first, last = long_chain().chain.hops
    with pytest.raises(Refused, match="credential_needs_principal"):
        minted(signer, replace(broken, chain=Chain(first.delegator, (first, replace(last, level="asserted")))))


@pytest.mark.parametrize("what", ["subject", "actor"])
def test_it_passes_for_nothing_of_ours(signer: Signer, what: Literal["subject", "actor"]) -> None:
    """Not for a task token, a transaction token or a client's assertion, even with the right audience."""
    tokens = ChainTokens(signer, ISSUER)
    make = tokens.subject_token if what == "subject" else tokens.actor_token
    audience = f"{ISSUER}/proxy"
    token = asyncio.run(make(caller(), audience, NOW)).value
    with pytest.raises(Refused, match="identity_invalid"):
        TaskTokenReader(ISSUER, audience, signer.jwks).verify(token, NOW)
    with pytest.raises(Rejected, match="token_type"):
        OwnTxnTokens(DOMAIN, signer.jwks).verify(token, NOW)
    with pytest.raises(Refused, match="identity_invalid"):
        asyncio.run(AssertionVerifier(audience, None).prove(token, {}, NOW))  # type: ignore[arg-type]  # never asked
