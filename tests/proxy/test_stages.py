"""What follows from a stage's own fields."""

from dataclasses import FrozenInstanceError, replace

import pytest

from proxy.stages import Chain, Hop, Principal, Request, authority

OLIVIA, BOT, HELPER = Principal("human", "olivia"), Principal("agent", "bot"), Principal("agent", "helper")


def chain(*delegates: Principal) -> Chain:
    return Chain(OLIVIA, tuple(Hop(OLIVIA, one, "verified", "handle", "sha256:1") for one in delegates))


def test_the_members_of_a_chain() -> None:
    """A chain is its root and whom each hop leads to, in this order, also by name."""
    assert chain(BOT, HELPER).members == (OLIVIA, BOT, HELPER)
    assert chain(BOT, HELPER).names == ("human:olivia", "agent:bot", "agent:helper")
    assert Chain(BOT).names == ("agent:bot",)


def test_another_chain_says_nothing_of_this_one() -> None:
    """What a chain has been asked for does not go over to one that is made from it, nor can the chain change."""
    one = chain(BOT)
    assert (one.names, hash(one)) == (("human:olivia", "agent:bot"), hash(chain(BOT)))
    other = replace(one, root=HELPER, complete=False)
    assert other.names == ("agent:helper", "agent:bot")
    assert hash(other) == hash(Chain(HELPER, one.hops, complete=False)) != hash(one)
    with pytest.raises(FrozenInstanceError):
        one.root = HELPER  # type: ignore[misc]  # that is the point


def test_equal_chains_are_one() -> None:
    """Chains are equal, and found again, by what they say, whatever either was asked for before."""
    asked = chain(BOT)
    assert asked.members
    assert {asked: 1}[chain(BOT)] == 1
    assert chain(BOT) not in {chain(HELPER), replace(asked, complete=False)}


@pytest.mark.parametrize(
    ("scheme", "host", "port", "text"),
    [
        ("https", "a.test", 443, "a.test"),
        ("https", "a.test", 80, "a.test:80"),
        ("http", "a.test", 80, "a.test"),
        ("http", "a.test", 443, "a.test:443"),
        ("https", "::1", 443, "[::1]"),
        ("http", "::1", 8080, "[::1]:8080"),
    ],
)
def test_authority(scheme: str, host: str, port: int, text: str) -> None:
    """A place in the form of a `Host` field."""
    assert authority(scheme, host, port) == text
    assert Request("GET", "https" if scheme == "https" else "http", host, port, "/", "", (), b"").authority == text
