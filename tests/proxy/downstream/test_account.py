"""The account as a receiving service sees it."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.downstream.account import Hop, account_of
from proxy.downstream.profile import Rejected
from proxy.stages import Presence
from tests.fakes.accounts import chain, claims_of, minted, signer

ISSUER = "spiffe://prod.example/countersign"


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of a call from Alice through a planner to a worker."""
    made = signer(tmp_path_factory.mktemp("state"))
    return claims_of(minted(made, chain("planner", "worker", levels=("endorsed", "verified"))))


def test_who_is_behind_a_call(claims: dict[str, Any]) -> None:
    """Root, actor, each hop with its proof, the owner who answers for it; and one line for people."""
    account = account_of(claims, ISSUER)
    assert (account.subject, account.actor, account.owner) == ("human:alice", "agent:worker", "olivia")
    assert account.hops == (
        Hop("agent:planner", "jwt_svid", "endorsed"),
        Hop("agent:worker", "jwt_svid", "verified"),
    )
    assert str(account) == "human:alice -> agent:planner (endorsed, jwt_svid) -> agent:worker (verified, jwt_svid)"
    assert (account.tool, account.task, account.call, account.mode) == (
        "crm/create_refund",
        "task_1",
        "call_1",
        "enforce",
    )
    assert (account.complete, account.verified, account.approval) == (True, False, "")


def test_a_chain_is_verified_only_as_a_whole(tmp_path: Path) -> None:
    """Every hop verified and nothing missing: then, and only then."""
    made = signer(tmp_path)
    assert account_of(claims_of(minted(made, chain("a", "b"))), ISSUER).verified
    cut = account_of(claims_of(minted(made, chain("a", "b", levels=("asserted", "verified")))), ISSUER)
    assert (cut.verified, str(cut)) == (False, "... -> agent:a -> agent:b (verified, jwt_svid)")


@pytest.mark.parametrize("presence", [Presence(900, "gold", ("pwd", "otp")), Presence(None, "", ("otp",)), Presence(7)])
def test_when_the_person_signed_in(tmp_path: Path, presence: Presence) -> None:
    """And how, as far as their own token said it."""
    made = signer(tmp_path)
    account = account_of(claims_of(minted(made, replace(chain("a"), presence=presence))), ISSUER)
    assert (account.auth_time, account.acr, account.amr) == (presence.at, presence.acr, presence.amr)
    silent = account_of(claims_of(minted(made, chain("a"))), ISSUER)
    assert (silent.auth_time, silent.acr, silent.amr) == (None, "", ())


def test_an_agent_for_itself(tmp_path: Path) -> None:
    """It is subject and actor."""
    account = account_of(claims_of(minted(signer(tmp_path), chain(root="agent:bot"))), ISSUER)
    assert (account.subject, account.actor, account.hops, str(account)) == ("agent:bot", "agent:bot", (), "agent:bot")


def _nested(depth: int) -> dict[str, Any]:
    act: dict[str, Any] = {"iss": ISSUER, "sub": "agent:x", "sub_profile": "ai_agent"}
    for _ in range(depth):
        act = {"iss": ISSUER, "sub": "agent:x", "sub_profile": "ai_agent", "act": act}
    return act


def _changed(path: str, value: Any) -> Any:
    def change(claims: dict[str, Any]) -> None:
        *inner, last = path.split(".")
        part: Any = claims
        for name in inner:
            part = part[int(name) if name.isdecimal() else name]
        if value is ...:
            del part[last]
        else:
            part[int(last) if last.isdecimal() else last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((name, ...) for name in ("sub", "txn", "jti", "iat", "exp", "scope", "act", "tctx", "rctx")),
        *((f"tctx.{name}", ...) for name in ("owner", "task", "call", "policy", "chain", "complete", "args_sha256")),
        *((f"rctx.{name}", ...) for name in ("dst", "method", "authn", "target_sha256", "body_sha256")),
        ("sub", ""),
        ("sub", ["human:alice"]),
        ("sub", "human:mallory"),
        ("sub", "x" * 3000),
        ("iat", "1"),
        ("iat", True),
        ("exp", -1),
        ("exp", 2**60),
        ("tctx", []),
        ("tctx.complete", 1),
        ("tctx.tool", 7),
        ("tctx.auth_time", "7"),
        ("tctx.acr", 7),
        ("tctx.amr", "otp"),
        ("tctx.amr", [7]),
        ("tctx.amr", ["otp"] * 33),
        ("tctx.args_sha256", "sha256:short"),
        ("rctx.body_sha256", "md5:" + "a" * 64),
        # garbage in the nesting
        ("act", "agent:worker"),
        ("act", []),
        ("act", {}),
        ("act.iss", "https://evil.example"),
        ("act.iss", ...),
        ("act.cnf", {"jkt": "x"}),
        ("act.act", None),
        ("act.act.act", None),
        ("act.sub_profile", ...),
        ("act.act.sub_profile", 7),
        ("act.act", "agent:planner"),
        ("act.act", [{"iss": ISSUER, "sub": "agent:planner"}]),
        ("act", _nested(8)),
        # spliced, truncated, widened, swapped
        ("act.act.sub", "agent:other"),
        ("act.act", ...),
        ("act", _nested(2)),
        ("act.sub", "agent:planner"),
        ("tctx.chain", []),
        ("tctx.chain", "human:alice"),
        ("tctx.chain", [{"p": "human:alice"}]),
        ("tctx.chain.0", {"p": "human:bob"}),
        ("tctx.chain.0", {"p": "human:alice", "m": "x", "s": "verified"}),
        ("tctx.chain.1", "agent:planner"),
        ("tctx.chain.1.s", "asserted"),
        ("tctx.chain.1.s", ...),
        ("tctx.chain.1.m", ""),
        ("tctx.chain.2.p", "agent:other"),
        ("tctx.chain.2.extra", 1),
    ],
)
def test_what_is_not_as_we_mint_it(claims: dict[str, Any], path: str, value: Any) -> None:
    """A claim that is missing, of another shape, or at odds with the rest, even under our signature, counts nothing."""
    claims = deepcopy(claims)
    _changed(path, value)(claims)
    with pytest.raises(Rejected) as rejected:
        account_of(claims, ISSUER)
    assert rejected.value.reason == "token_claims"


def test_a_chain_deeper_than_any_we_mint_is_no_account(claims: dict[str, Any]) -> None:
    """Eight hops pass, nine do not, even if every part of the token says the same."""
    claims = deepcopy(claims)
    for hops in (8, 9):
        claims["act"] = _nested(hops - 1)
        claims["tctx"]["chain"] = [{"p": claims["sub"]}, *[{"p": "agent:x", "m": "m", "s": "verified"}] * hops]
        if hops == 8:
            assert len(account_of(claims, ISSUER).hops) == 8
        else:
            with pytest.raises(Rejected):
                account_of(claims, ISSUER)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["p", "m", "s", "act", "sub"]), inner),
    max_leaves=9,
)


@given(st.sampled_from(["sub", "act", "tctx", "rctx", "iat", "tctx.chain", "act.act", "rctx.dst"]), json)
def test_any_claim_may_be_anything(claims: dict[str, Any], path: str, value: Any) -> None:
    """An account or a rejection: nothing else comes of any JSON."""
    claims = deepcopy(claims)
    _changed(path, value)(claims)
    try:
        account_of(claims, ISSUER)
    except Rejected as rejected:
        assert rejected.reason == "token_claims"  # noqa: PT017 - either is right
