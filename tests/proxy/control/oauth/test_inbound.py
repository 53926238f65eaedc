"""The chain that a subject token brings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.control.oauth.inbound import Through, chain_in, hop_levels
from proxy.control.oauth.mistakes import OAuthMistake
from proxy.facts import Subject
from proxy.identity.subjects import Subjects
from proxy.stages import HopLevel, Principal
from tests.fakes.control_house import inventory

IDP = "https://idp.example"
BOTS = "https://bots.example"
FACTS = inventory()
BOT = FACTS.agents["support-bot"].model_copy(update={"identities": (Subject(issuer=BOTS, subject="bot-1"),)})
KNOWN = FACTS.model_copy(update={"agents": {**FACTS.agents, "support-bot": BOT}})


def read(claims: dict[str, Any], *endorses: str) -> tuple[Through, ...]:
    return chain_in(claims, IDP, frozenset(endorses), Subjects(KNOWN).party)


def nested(depth: int) -> dict[str, Any]:
    act: dict[str, Any] = {"sub": "a0"}
    for number in range(1, depth):
        act = {"sub": f"a{number}", "act": act}
    return {"act": act}


def test_the_first_actor_comes_first() -> None:
    """Outermost is the latest (RFC 8693 section 4.1); known parties by their ids, others by issuer and subject."""
    claims = {"act": {"iss": BOTS, "sub": "bot-1", "sub_profile": "ai_agent", "act": {"sub": "planner"}}}
    assert read(claims, IDP) == (
        Through(Principal("service", f"{IDP}|planner"), endorsed=True),
        Through(Principal("agent", "support-bot"), endorsed=False),
    )
    assert read({}) == ()


@pytest.mark.parametrize(
    "act",
    [
        None, "bot", 7, True, [], ["bot"], [{"sub": "bot"}], {}, {"sub": None}, {"sub": ""}, {"sub": "a\u0000b"},
        {"sub": "two words"}, {"sub": 7}, {"sub": "x" * 2049}, {"sub": "bot", "iss": None}, {"sub": "bot", "iss": ""},
        {"sub": "bot", "iss": ["x"]}, {"sub": "bot", "iss": "a|b"}, {"sub": "bot", "act": None},
        {"sub": "bot", "act": "inner"}, {"sub": "bot", "act": [{"sub": "inner"}]}, {"sub": "bot", "act": {}},
    ],
)  # fmt: skip
def test_every_level_is_an_object_that_names_somebody(act: Any) -> None:
    """Wherever it stands; a level that is not one is never a shorter chain."""
    for claims in ({"act": act}, {"act": {"sub": "outer", "act": act}}):
        with pytest.raises(OAuthMistake) as caught:
            read(claims, IDP)
        assert caught.value.error == "invalid_request"


def test_a_chain_is_never_cut_to_fit() -> None:
    """Eight are read, the ninth is refused."""
    assert len(read(nested(8), IDP)) == 8
    with pytest.raises(OAuthMistake, match="at most 8"):
        read(nested(9), IDP)


@pytest.mark.parametrize(
    ("endorsed", "levels"),
    [
        ((), ["verified"]),
        ((True,), ["endorsed", "endorsed"]),
        ((False,), ["asserted", "asserted"]),
        ((True, True), ["endorsed", "endorsed", "endorsed"]),
        ((False, True), ["asserted", "asserted", "endorsed"]),
        ((True, False), ["endorsed", "asserted", "asserted"]),
    ],
)
def test_a_hop_counts_where_the_issuers_word_counts_for_both_ends(
    endorsed: tuple[bool, ...], levels: list[HopLevel]
) -> None:
    """Everything else is asserted."""
    through = tuple(Through(Principal("service", f"{IDP}|{index}"), one) for index, one in enumerate(endorsed))
    assert list(hop_levels(through, "verified")) == levels


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["sub", "iss", "act", "x"]), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_act_is_a_chain_or_a_mistake(act: Any) -> None:
    """And a chain has as many parties as the token has levels."""
    try:
        found = read({"act": act}, IDP)
    except OAuthMistake:
        return
    depth, level = 0, {"act": act}
    while "act" in level:
        depth, level = depth + 1, level["act"]
    assert len(found) == depth
