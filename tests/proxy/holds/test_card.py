"""What the approver sees."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.model import Requirement
from proxy.holds.card import canonical, card_of, chain_digest, display_digest, effect_line, moment, span, visible
from proxy.stages import Chain, Hop, Presence, Principal
from tests.fakes.held_calls import NOW, OWNER_SIGNS, decided, hold, inventory

AGENT = Principal("agent", "refunds")
RITA = Principal("human", "rita")
HOP = Hop(RITA, AGENT, "verified", "handle", "sha256:1")


def card(arguments: Any = None, requirement: Requirement = OWNER_SIGNS, **how: Any) -> dict[str, Any]:
    return card_of(decided(arguments, **how), requirement, inventory(), None)


def test_the_effect_names_every_argument_in_full() -> None:
    """One line, made by us, with nothing cut however long."""
    assert card()["effect"] == 'crm/refund: amount = 450, customer = "c_8812"'
    assert card({})["effect"] == "crm/refund, without arguments"
    assert "x" * 5000 in card({"note": "x" * 5000})["effect"]


def test_the_card_says_who_where_and_what_approving_allows() -> None:
    """Agent, owner, chain, task, service, host, method, path, arguments, reasons, rollback and limits are there."""
    shown = card(root="rita", datasets=("customers", "unknown"))
    assert shown["agent"]["id"] == "refunds"
    assert shown["owner"] == {"id": "olga", "name": "Olga"}
    assert [member["id"] for member in shown["chain"]] == ["rita", "refunds"]
    assert shown["chain"][1]["level"] == "verified"
    assert shown["task"] == "task_1"
    assert (shown["where"]["method"], shown["where"]["host"], shown["where"]["path"]) == (
        "POST",
        "crm.example",
        "/v1/refunds",
    )
    assert shown["arguments"] == {"amount": 450, "customer": "c_8812"}
    assert shown["reasons"] == ["refunds need the owner"]
    assert shown["rollback"] == "void it"
    assert shown["datasets"][0]["owner"] == "dora"
    assert shown["datasets"][1]["sensitivity"] == "unknown"
    assert "exactly this call to crm once, within 10 minutes" in shown["allows"]


def test_the_card_says_when_the_person_signed_in() -> None:
    """And by what, where their token told it; else not a word, so that other cards stay as they were."""
    asked = decided(root="rita")
    attributed = asked.described.attributed
    chain = replace(attributed.identity.chain, presence=Presence(int(NOW) - 60, "gold", ("pwd", "otp")))
    seen = replace(attributed, identity=replace(attributed.identity, chain=chain))
    asked = replace(asked, described=replace(asked.described, attributed=seen))
    shown = card_of(asked, OWNER_SIGNS, inventory(), None)
    assert shown["signed_in"] == {"at": moment(NOW - 60), "acr": "gold", "amr": ["pwd", "otp"]}
    assert "signed_in" not in card(root="rita")


def test_what_no_rule_says_of_undoing_the_inventory_says() -> None:
    """The rule's own word on this call comes first, then the agent's rollback note; only without both is none known."""
    asked = decided()
    attributed = asked.described.attributed
    agent = attributed.identity.agent.model_copy(update={"rollback": "reverse it in the ledger"})
    noted = replace(attributed, identity=replace(attributed.identity, agent=agent))
    asked = replace(asked, described=replace(asked.described, attributed=noted))
    silent = replace(OWNER_SIGNS, rollback="")
    assert card_of(asked, OWNER_SIGNS, inventory(), None)["rollback"] == "void it"
    assert card_of(asked, silent, inventory(), None)["rollback"] == "reverse it in the ledger"
    assert card(requirement=silent)["rollback"] == ""


@pytest.mark.parametrize(
    "hidden",
    ["\u202e", "\u200b", "\u0000", "\x1b", "\u2066", "\u00a0", "\u3164", "\ue000", "\u2028", "\u2800", "\ufe0f"],
)
def test_nothing_on_the_effect_line_is_invisible(hidden: str) -> None:
    """Control, bidirectional, zero-width and odd spaces are written out."""
    line = effect_line(decided({"note": f"a{hidden}b"}).described.call)
    assert hidden not in line
    assert visible(f"a{hidden}b") == f"a\\u{{{ord(hidden):04X}}}b"


@given(st.text())
def test_visible_text_is_printable(text: str) -> None:
    """Whatever the text, what is shown can be printed and is one line."""
    assert visible(text).isprintable()


def test_a_plain_text_stays_as_it_is() -> None:
    """Letters of any script, digits and signs are not escaped."""
    assert visible("Grüße, 450 € für 客户") == "Grüße, 450 € für 客户"


def test_the_display_digest_covers_everything_shown() -> None:
    """Any change of the card is another digest; the order of keys is not."""
    shown = card()
    assert display_digest(shown) == display_digest(dict(reversed(shown.items())))
    for key in shown:
        assert display_digest(shown | {key: "other"}) != display_digest(shown), key
    assert json.loads(canonical(shown)) == shown


def test_an_identical_call_that_ran_is_on_the_card() -> None:
    """The approver sees that this was done before."""
    ran = hold(closed_at=NOW)
    assert card_of(decided(), OWNER_SIGNS, inventory(), ran)["identical_to"] == {
        "hold_id": ran.id,
        "executed_at": moment(NOW),
    }


@pytest.mark.parametrize(
    "other",
    [
        Chain(AGENT),
        Chain(RITA, (HOP,), complete=False),
        Chain(RITA, (replace(HOP, level="endorsed"),)),
        Chain(RITA, (replace(HOP, method="jwt"),)),
        Chain(Principal("service", "rita"), (HOP,)),
        Chain(RITA, (HOP, replace(HOP, delegator=AGENT, delegate=Principal("agent", "sub")))),
    ],
)
def test_another_chain_has_another_digest(other: Chain) -> None:
    """Who, for whom, through whom, and how well proven: each makes a difference. The proof itself does not."""
    chain = Chain(RITA, (HOP,))
    assert chain_digest(chain) != chain_digest(other)
    assert chain_digest(chain) == chain_digest(Chain(RITA, (replace(HOP, evidence="sha256:2"),)))
    assert chain_digest(chain) == chain_digest(chain, "") != chain_digest(chain, "blue")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(600, "10 minutes"), (60, "1 minute"), (3600, "1 hour"), (7200, "2 hours"), (90, "90 seconds")],
)
def test_a_length_of_time_reads_as_people_say_it(seconds: int, text: str) -> None:
    """Whole hours, whole minutes, else seconds."""
    assert span(seconds) == text
