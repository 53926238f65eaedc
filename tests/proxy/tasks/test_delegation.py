"""Who acts for whom, hop by hop."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.stages import Chain, HopLevel, Presence, Principal
from proxy.tasks.delegation import MAX_HOPS, Authority, Delegation, Link, Proof
from proxy.tasks.mistakes import TaskMistake

ALICE = Principal("human", "alice")
ALL = Authority(("crm/*", "pay/refund"), ("read:customers", "write:ledger"), 1000.0)
SHOWN = Proof("handle", "verified", "sha256:aa")


def agent(name: str) -> Principal:
    """An agent of this name."""
    return Principal("agent", name)


def chain_of(*levels: HopLevel) -> Delegation:
    """Alice, then one agent for each level."""
    made = Delegation(ALICE)
    for index, level in enumerate(levels):
        made = made.handed_to(agent(f"a{index}"), "task_spawn", replace(SHOWN, level=level), ALL, at=float(index))
    return made


def test_hops_follow_from_one_another() -> None:
    """Each names the one before as delegator, and carries its digest."""
    made = chain_of("verified", "endorsed")
    first, second = made.links
    assert (first.delegator, first.delegate, second.delegator) == (ALICE, agent("a0"), agent("a0"))
    assert second.previous == first.digest
    assert made.last == agent("a1")
    made.require_whole()


@pytest.mark.parametrize(
    ("authority", "code"),
    [
        (replace(ALL, tools=("pay/*",)), "widens_tools"),
        (replace(ALL, tools=("other/x",)), "widens_tools"),
        (replace(ALL, datasets=("read:ledger",)), "widens_datasets"),
        (replace(ALL, deadline=1000.5), "outlives"),
        (replace(ALL, deadline=float("nan")), "outlives"),
    ],
)
def test_nobody_hands_on_more_than_they_were_given(authority: Authority, code: str) -> None:
    """Not a tool, not a dataset, not a second."""
    with pytest.raises(TaskMistake) as caught:
        chain_of("verified").handed_to(agent("b"), "task_spawn", SHOWN, authority, at=1.0)
    assert caught.value.code == code


def test_less_is_handed_on() -> None:
    """A part of the tools and datasets, for a shorter time."""
    part = Authority(("crm/find",), (), 10.0)
    chain_of("verified").handed_to(agent("b"), "task_spawn", SHOWN, part, at=1.0).require_whole()


def test_the_same_party_again_is_no_hop_and_a_loop_is_refused() -> None:
    """An agent that goes on by itself adds nothing; one that comes back deeper is a signal."""
    made = chain_of("verified", "verified")
    assert made.handed_to(agent("a1"), "task_spawn", SHOWN, ALL, at=3.0) is made
    for back in (agent("a0"), ALICE):
        with pytest.raises(TaskMistake) as caught:
            made.handed_to(back, "task_spawn", SHOWN, ALL, at=3.0)
        assert caught.value.code == "delegation_loop"


def test_a_chain_has_eight_hops_at_most() -> None:
    """The ninth is refused, never cut off."""
    made = chain_of(*["verified"] * MAX_HOPS)  # type: ignore[list-item]  # a level
    with pytest.raises(TaskMistake) as caught:
        made.handed_to(agent("b"), "task_spawn", SHOWN, ALL, at=9.0)
    assert caught.value.code == "delegation_too_deep"
    with pytest.raises(TaskMistake) as caught:
        _with_one_more(made, agent("b")).require_whole()
    assert caught.value.code == "delegation_too_deep"


def test_a_chain_that_comes_back_is_no_chain() -> None:
    """Even if each of its hops was sealed by who could: nobody is in it twice."""
    for again in (agent("a0"), ALICE):
        with pytest.raises(TaskMistake) as caught:
            _with_one_more(chain_of("verified", "verified"), again).require_whole()
        assert caught.value.code == "delegation_loop"


def _with_one_more(made: Delegation, delegate: Principal) -> Delegation:
    """A hop that nobody was asked for, as sound in itself as the others."""
    last = made.links[-1]
    more = replace(last, index=last.index + 1, delegator=last.delegate, delegate=delegate, previous=last.digest)
    return replace(made, links=(*made.links, more.sealed()))


MADE = chain_of("verified", "endorsed", "verified")
FORGED: dict[str, Delegation] = {
    "another root": replace(MADE, root=Principal("human", "mallory")),
    "truncated at the root": replace(MADE, root=agent("a0"), links=MADE.links[1:]),
    "a hop taken out": replace(MADE, links=(MADE.links[0], MADE.links[2])),
    "swapped": replace(MADE, links=(MADE.links[1], MADE.links[0], MADE.links[2])),
    "a hop repeated": replace(MADE, links=(*MADE.links, MADE.links[2])),
    "spliced from another chain": replace(
        MADE, links=(*MADE.links[:2], replace(MADE.links[2], previous=chain_of("verified").links[0].digest).sealed())
    ),
    "a better level": replace(
        MADE, links=(MADE.links[0], replace(MADE.links[1], proof=SHOWN), MADE.links[2])
    ),
    "widened and sealed again": replace(
        MADE, links=(*MADE.links[:2], replace(MADE.links[2], authority=replace(ALL, deadline=9999.0)).sealed())
    ),
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_chain_is_no_chain(forged: Delegation) -> None:
    """Whatever was cut, swapped, spliced, raised or widened shows."""
    with pytest.raises(TaskMistake):
        forged.require_whole()


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("", {"delegate": agent("z")}),
        ("", {"delegate": Principal("service", "a0")}),
        ("", {"grant": "consent"}),
        ("", {"at": 77.0}),
        ("", {"digest": "sha256:00"}),
        ("proof", {"method": "other"}),
        ("proof", {"evidence": "sha256:bb"}),
        ("proof", {"level": "asserted"}),
        ("authority", {"tools": ("crm/*",)}),
        ("authority", {"datasets": ("read:customers",)}),
        ("authority", {"deadline": 1.0}),
    ],
)
def test_no_field_of_a_hop_changes_unseen(index: int, part: str, change: dict[str, Any]) -> None:
    """Each field of each hop is part of its digest."""
    links: list[Link] = list(MADE.links)
    changed = {part: replace(getattr(links[index], part), **change)} if part else change
    links[index] = replace(links[index], **changed)
    with pytest.raises(TaskMistake):
        replace(MADE, links=tuple(links)).require_whole()


SIGNED_IN = Presence(900, "gold", ("pwd", "otp"))


@pytest.mark.parametrize(
    ("root", "levels", "presence"),
    [
        (ALICE, ("verified", "verified"), SIGNED_IN),
        (ALICE, ("endorsed",), SIGNED_IN),
        (ALICE, ("asserted",), None),
        (ALICE, ("verified", "asserted"), None),
        (Principal("business_process", "nightly"), ("verified",), None),
    ],
)
def test_the_sign_in_goes_with_the_person(
    root: Principal, levels: tuple[HopLevel, ...], presence: Presence | None
) -> None:
    """It is that of the root: after a gap, and of a process, there is none. It is sealed with the hop."""
    made = Delegation(root)
    for index, level in enumerate(levels):
        proof = replace(SHOWN, level=level, presence=None if index else SIGNED_IN)
        made = made.handed_to(agent(f"a{index}"), "token_exchange", proof, ALL, at=float(index))
    assert made.chain().presence == presence
    made.require_whole()
    for other in (None, replace(SIGNED_IN, at=999), replace(SIGNED_IN, acr=""), replace(SIGNED_IN, amr=("pwd",))):
        first = replace(made.links[0], proof=replace(made.links[0].proof, presence=other))
        with pytest.raises(TaskMistake):
            replace(made, links=(first, *made.links[1:])).require_whole()


def test_policy_sees_the_whole_proven_chain() -> None:
    """Verified and endorsed hops from the root to the agent, with how each was proven."""
    chain = MADE.chain()
    assert (chain.root, chain.complete) == (ALICE, True)
    assert [hop.level for hop in chain.hops] == ["verified", "endorsed", "verified"]
    assert Delegation(agent("a")).chain() == Chain(agent("a"))


@pytest.mark.parametrize(
    ("levels", "root", "hops"),
    [
        (("asserted",), "a0", 0),
        (("asserted", "verified"), "a0", 1),
        (("verified", "asserted"), "a1", 0),
        (("verified", "asserted", "verified"), "a1", 1),
        (("asserted", "verified", "asserted", "verified"), "a2", 1),
    ],
)
def test_what_is_only_asserted_never_reaches_policy(levels: tuple[HopLevel, ...], root: str, hops: int) -> None:
    """Nobody before an asserted hop is seen, the human at the root least of all; the chain is incomplete."""
    chain = chain_of(*levels).chain()
    assert (chain.root.id, len(chain.hops), chain.complete) == (root, hops, False)
    assert ALICE not in chain.members
    assert all(hop.level != "asserted" for hop in chain.hops)
