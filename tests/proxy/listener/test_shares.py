"""Places for connections: who has how many, and who makes room. No sockets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.listener.shares import Shares


def test_the_address_with_most_newcomers_makes_room() -> None:
    """Its oldest goes; a newcomer from anywhere, the same address too, finds its place."""
    shares = Shares(10)
    for name in "abcde":
        shares.enter(name, "192.0.2.1")
    assert shares.too_many() is None
    shares.enter("x", "192.0.2.2")
    assert shares.too_many() == "a"
    shares.leave("a")
    assert shares.too_many() is None
    shares.enter("f", "192.0.2.1")
    assert shares.too_many() == "b"


@pytest.mark.parametrize(("most", "newcomers"), [(1, 1), (2, 1), (20, 10), (128, 64), (600, 64), (10_000, 1000)])
def test_few_places_are_shared_evenly(most: int, newcomers: int) -> None:
    """Some agents that start together find room beside those that are there, however small the house."""
    shares = Shares(most)
    for number in range(newcomers):
        shares.enter(str(number), "127.0.0.1")
        assert shares.too_many() is None
    shares.enter("one more", "127.0.0.1")
    assert shares.too_many() == "0"


def test_all_addresses_of_one_site_are_one() -> None:
    """An IPv6 host has more addresses than we have places."""
    shares = Shares(6)
    shares.enter("x", "2001:db8:2::1")
    for number in range(3):
        shares.enter(str(number), f"2001:db8:1::{number}")
    assert shares.too_many() == "0"


def test_an_agent_leaves_as_many_places_as_it_has() -> None:
    """Alone it may have half; the next one half of the rest; nobody ever finds none."""
    shares = Shares(1000)

    def take(agent: str) -> int:
        for taken in range(1000):
            shares.enter(f"{agent}{taken}", "127.0.0.1")
            if not shares.prove(f"{agent}{taken}", agent):
                shares.leave(f"{agent}{taken}")
                return taken
        raise AssertionError("it has taken everything")

    assert [take(agent) for agent in ("a", "b", "c")] == [450, 225, 113]
    shares.leave("a0")
    assert take("a") == 0, "it still has more than is free"
    assert take("d") > 0


def test_two_thousand_calls_of_one_agent_may_wait() -> None:
    """On loopback, where all have one address: what counts is the agent, once it is proven."""
    shares = Shares(10_000)
    for number in range(2100):
        shares.enter(str(number), "127.0.0.1")
        assert shares.too_many() is None
        assert shares.prove(str(number), "bot")
        assert shares.prove(str(number), "bot")


def test_who_has_sent_most_makes_room() -> None:
    """For what is not proven, memory is bounded too; what agents send is their own matter."""
    shares = Shares(1000, 100)
    for name in ("a", "b", "agent"):
        shares.enter(name, "192.0.2.1")
    assert shares.prove("agent", "bot")
    assert not shares.received("agent", 1000)
    assert shares.received("a", 40)
    assert shares.received("b", 60)
    assert shares.too_many() is None
    shares.received("a", 1)
    assert shares.too_many() == "b"
    shares.refuse("b")
    assert shares.too_many() is None
    shares.received("a", 60)
    assert shares.too_many() == "a"
    assert shares.prove("a", "bot")
    assert shares.too_many() is None
    assert (shares._received, shares._all_received) == ({}, 0)


@pytest.mark.parametrize("name", ["never came", "left", "refused"])
def test_who_is_not_here_has_no_place(name: str) -> None:
    """What was turned away stays so, whatever it proves afterwards."""
    shares = Shares(10)
    shares.enter("left", "192.0.2.1")
    shares.leave("left")
    shares.enter("refused", "192.0.2.1")
    shares.refuse("refused")
    shares.refuse("refused")
    assert not shares.prove(name, "bot")
    assert not shares.is_newcomer(name)
    assert (shares.unproven, shares.proven) == (0, 0)


MOVES = st.lists(
    st.tuples(st.sampled_from(["enter", "prove", "leave", "send"]), st.integers(0, 20), st.sampled_from("abc")),
    max_size=80,
)


@given(most=st.integers(1, 30), moves=MOVES)
def test_the_bounds_always_hold(most: int, moves: list[tuple[str, int, str]]) -> None:
    """Never more than there are places, whoever comes and goes; and the counts are those of who is here."""
    shares = Shares(most, 50)
    here: set[str] = set()
    for move, number, who in moves:
        name = str(number)
        if move == "enter" and name not in here:
            here.add(name)
            shares.enter(name, who)
        elif move == "prove":
            shares.prove(name, who)
        elif move == "leave":
            here.discard(name)
            shares.leave(name)
        elif move == "send":
            shares.received(name, 20)
        while (oldest := shares.too_many()) is not None:
            here.discard(oldest)
            shares.refuse(oldest)
        assert shares.unproven + shares.proven == len(here)
        assert shares.unproven + shares.proven <= max(most, 2)
        assert sum(shares._by_agent.values()) == shares.proven
        assert sum(map(len, shares._by_party.values())) == shares.unproven
        assert all(shares._by_party.values())
        assert sum(shares._received.values()) == shares._all_received <= 50
