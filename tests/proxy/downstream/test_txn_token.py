"""What is said of a call, and to whom."""

from dataclasses import replace
from pathlib import Path

import pytest

from policies.model import Mode
from proxy.downstream.profile import MAX_BYTES, digest
from proxy.downstream.txn_token import Minter
from proxy.errors import Refused
from proxy.stages import Claim
from tests.fakes.accounts import BODY, DOMAIN, NOW, TRACE, chain, claims_of, decided, minted, signer, verifier

ISSUER = "spiffe://prod.example/countersign"


def test_the_whole_account(tmp_path: Path) -> None:
    """Every claim, for a call of an agent for a human under an approval."""
    claim = Claim("hold_1", "att_1", ("olivia",))
    token = Minter(signer(tmp_path), DOMAIN, 60).mint(decided(query="dry=1"), claim, TRACE, NOW + 0.9)
    assert token is not None
    assert claims_of(token.value) == {
        "iss": ISSUER,
        "aud": "prod.example",
        "txn": TRACE,
        "jti": token.id,
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        "sub": "human:alice",
        "sub_profile": "user",
        "act": {"iss": ISSUER, "sub": "agent:bot", "sub_profile": "ai_agent"},
        "req_wl": ISSUER,
        "scope": "crm.pay",
        "tctx": {
            "task": "task_1",
            "call": "call_1",
            "decision": "allow",
            "policy": "sha256:policy",
            "owner": "olivia",
            "args_sha256": "sha256:" + "ab" * 32,
            "tool": "crm/create_refund",
            "approval": "hold_1",
            "chain": [{"p": "human:alice"}, {"p": "agent:bot", "m": "jwt_svid", "s": "verified"}],
            "complete": True,
        },
        "rctx": {
            "authn": "opaque_handle",
            "dst": "https://crm.internal",
            "method": "POST",
            "target_sha256": digest(b"/v1/refunds?dry=1"),
            "body_sha256": digest(BODY),
        },
    }
    assert token.id.startswith("txn_")
    assert token.value not in repr(token)


@pytest.mark.parametrize("trust", ["partner", "public"])
def test_others_get_no_account(tmp_path: Path, trust: str) -> None:
    """A partner and the public learn nothing of who is behind a call."""
    assert Minter(signer(tmp_path), DOMAIN, 60).mint(decided(trust=trust), None, TRACE, NOW) is None


def test_the_current_actor_is_the_outermost(tmp_path: Path) -> None:
    """`act` nests the actors before it; `tctx.chain` reads from the root."""
    claims = claims_of(minted(signer(tmp_path), chain("planner", "worker", levels=("endorsed", "verified"))))
    assert claims["act"]["sub"] == "agent:worker"
    assert claims["act"]["act"] == {"iss": ISSUER, "sub": "agent:planner", "sub_profile": "ai_agent"}
    assert [(each["p"], each.get("s")) for each in claims["tctx"]["chain"]] == [
        ("human:alice", None),
        ("agent:planner", "endorsed"),
        ("agent:worker", "verified"),
    ]


def test_an_agent_for_itself_has_no_actor(tmp_path: Path) -> None:
    """Then it is the subject, and nobody acts for anybody."""
    claims = claims_of(minted(signer(tmp_path), chain(root="agent:bot")))
    assert claims["sub"] == "agent:bot"
    assert "act" not in claims
    assert claims["tctx"]["chain"] == [{"p": "agent:bot"}]


@pytest.mark.parametrize(
    ("levels", "subject", "actors"),
    [
        (("asserted", "verified", "verified"), "agent:a", ["agent:c", "agent:b"]),
        (("verified", "asserted", "endorsed"), "agent:b", ["agent:c"]),
        (("verified", "verified", "asserted"), "agent:c", []),
        (("asserted", "asserted", "asserted"), "agent:c", []),
    ],
)
def test_what_was_only_asserted_is_not_told(tmp_path: Path, levels, subject: str, actors: list[str]) -> None:
    """The account begins after the last asserted hop, and says that it is not complete."""
    claims = claims_of(minted(signer(tmp_path), chain("a", "b", "c", levels=levels)))
    found, act = [], claims.get("act")
    while act:
        found.append(act["sub"])
        act = act.get("act")
    assert (claims["sub"], found, claims["tctx"]["complete"]) == (subject, actors, False)
    assert "alice" not in str(claims)
    assert "asserted" not in str(claims)


def test_a_gap_is_told(tmp_path: Path) -> None:
    """A chain that is not complete for us is not complete for the service."""
    assert claims_of(minted(signer(tmp_path), chain("bot", complete=False)))["tctx"]["complete"] is False


def test_a_policy_that_only_watches_is_told(tmp_path: Path) -> None:
    """In observe mode, `allow` is not the policy's word, and the service can know."""
    assert claims_of(minted(signer(tmp_path), mode=Mode.OBSERVE))["tctx"]["mode"] == "observe"


def test_a_call_of_no_tool_has_none(tmp_path: Path) -> None:
    """What maps to no tool has no tool, and a scope that says nothing more."""
    claims = claims_of(minted(signer(tmp_path), tool=False))
    assert "tool" not in claims["tctx"]
    assert claims["scope"] == "crm.unknown"


def test_eight_hops_fit_and_nine_are_refused(tmp_path: Path) -> None:
    """The deepest chain is told whole, in 4 KiB; a deeper one is refused, never cut."""
    made = signer(tmp_path)
    names = [f"agent-of-some-length-{number}-{'x' * 20}" for number in range(8)]
    assert len(minted(made, chain(*names))) <= MAX_BYTES
    with pytest.raises(Refused) as refused:
        minted(made, chain(*names, "one-more"))
    assert (refused.value.refusal.reason, refused.value.refusal.status) == ("account_too_large", 403)


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    """Names so long that the token would pass no server's header limit stop the call."""
    with pytest.raises(Refused) as refused:
        minted(signer(tmp_path), chain("bot", root=f"human:https://idp.example|{'x' * 1600}"))
    assert refused.value.refusal.reason == "account_too_large"


@pytest.mark.parametrize("lifetime", [0, -1, 121])
def test_a_token_does_not_live_long(tmp_path: Path, lifetime: int) -> None:
    """More than two minutes, or no time at all, is a mistake."""
    with pytest.raises(ValueError, match="lives for 1 to 120"):
        Minter(signer(tmp_path), DOMAIN, lifetime)


def test_each_token_is_another(tmp_path: Path) -> None:
    """The same call twice has two ids, so that a replay can be told."""
    minter, same = Minter(signer(tmp_path), DOMAIN, 60), decided()
    ids = {token.id for _ in range(3) if (token := minter.mint(replace(same), None, TRACE, NOW))}
    assert len(ids) == 3


def test_a_partner_that_hosts_the_agent_is_named(tmp_path: Path) -> None:
    """The receiving service knows that the caller is not of our own house, and whose it is."""
    call = decided()
    attributed = call.described.attributed
    agent = attributed.identity.agent.model_copy(update={"partner": "acme"})
    hosted = replace(attributed, identity=replace(attributed.identity, agent=agent))
    made = signer(tmp_path)
    token = Minter(made, DOMAIN, 60).mint(
        replace(call, described=replace(call.described, attributed=hosted)), None, TRACE, NOW
    )
    assert token is not None
    assert claims_of(token.value)["tctx"]["partner"] == "acme"
    target = {"method": "POST", "target": "/v1/refunds"}
    assert verifier(made).verify(token.value, **target).partner == "acme"
    assert verifier(made).verify(minted(made), **target).partner == ""


def test_a_business_process_is_told_as_what_it_is(tmp_path: Path) -> None:
    """Never as a person."""
    claims = claims_of(minted(signer(tmp_path), chain("bot", root="business_process:nightly")))
    assert (claims["sub"], claims["sub_profile"]) == ("business_process:nightly", "business_process")
