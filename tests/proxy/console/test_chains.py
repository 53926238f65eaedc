"""Delegations as people read them."""

from proxy.console.chains import Party, of_card, of_delegation, of_record
from proxy.stages import Principal
from proxy.tasks.delegation import Authority, Delegation, Proof


def test_a_tasks_chain_keeps_even_what_is_only_asserted() -> None:
    """People see every hop with its level; only policy does not see the asserted ones."""
    authority = Authority((), (), 1.0)
    chain = Delegation(Principal("human", "alice"))
    for name, level in (("a", "verified"), ("b", "asserted")):
        proof = Proof("token", level, "sha256:x")  # type: ignore[arg-type]  # one of the levels
        chain = chain.handed_to(Principal("agent", name), "consent", proof, authority, at=0.0)
    assert of_delegation(chain) == [
        Party("human", "alice"),
        Party("agent", "a", "verified", "token"),
        Party("agent", "b", "asserted", "token"),
    ]


def test_what_an_older_record_or_card_does_not_say_is_empty() -> None:
    """Nothing is made up: neither a level, nor a method, nor a chain."""
    assert of_record(["human:x", "agent:y"], ["verified"], None) == [
        Party("human", "x"),
        Party("agent", "y", "verified"),
    ]
    assert of_record("human:x", None, None) == []
    assert of_card([{"kind": "agent", "id": "y", "level": "endorsed"}, "odd"]) == [Party("agent", "y", "endorsed")]
    assert of_card(None) == []
