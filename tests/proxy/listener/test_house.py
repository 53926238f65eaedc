"""What all connections of a listener share."""

import asyncio
from pathlib import Path
from typing import Any

from proxy.errors import Refusal
from proxy.listener.house import House
from proxy.listener.options import ListenerOptions
from proxy.listener.session import Session
from proxy.listener.shares import CROWDED, TAKEN, Shares


class Gate:
    """Knows whose connections these are."""

    def __init__(self, **agents: str) -> None:
        self.agents = agents

    def agent_of(self, connection: str) -> str | None:
        return self.agents.get(connection)


class Connection:
    """Remembers why it was turned away."""

    def __init__(self) -> None:
        nothing: Any = None
        self.turned_away: list[Refusal] = []
        self.session = Session("c", "p", nothing, ListenerOptions(ca_directory=Path("x")), lambda: 100.0)

    def turn_away(self, refusal: Refusal) -> None:
        self.turned_away.append(refusal)


def house(most: int, **agents: str) -> House:
    """A house with so many places."""
    nothing: Any = None
    gate: Any = Gate(**agents)
    made = House(asyncio.new_event_loop(), nothing, gate, nothing, nothing)
    made.loop.close()
    made.shares = Shares(most)
    return made


def enter(one: House, name: str, peer: str = "192.0.2.1") -> Connection:
    """A new connection."""
    connection: Any = Connection()
    one.enter(name, connection, peer)
    return connection  # type: ignore[no-any-return]  # it stands for the real one


def test_empty_while_nobody_is_here() -> None:
    """Stopping waits for the last one to leave."""
    one = house(100)
    enter(one, "a")
    enter(one, "b")
    one.leave("a")
    assert not one.empty.is_set()
    one.leave("b")
    one.leave("b")
    assert one.empty.is_set()
    assert (one.shares.unproven, one.shares.proven) == (0, 0)


def test_the_oldest_of_those_that_nobody_knows_makes_room() -> None:
    """Who is proven meanwhile keeps its place, though nobody has said so before."""
    one = house(4, b="bot")
    connections = {name: enter(one, name) for name in "abcd"}
    assert {name: got.turned_away for name, got in connections.items()} == {"a": [CROWDED], "b": [], "c": [], "d": []}
    assert (one.shares.unproven, one.shares.proven, one.shares.refused) == (2, 1, 1)


def test_an_agent_beyond_its_share_is_turned_away() -> None:
    """Once, in words, whenever it is found out."""
    one = house(1, a="bot", b="bot")
    first = enter(one, "a")
    one.look("a", 0.0)
    second = enter(one, "b")
    for now in (1.0, 2.0):
        one.look("b", now)
    assert (first.turned_away, second.turned_away) == ([], [TAKEN])
    assert one.shares.refused == 1


def test_who_is_not_proven_in_time_is_not_waited_for() -> None:
    """Whatever it sends meanwhile. While we work on its request, and once it is proven, it has all the time."""
    one = house(100, known="bot")
    unknown, asking, uploading, known = (enter(one, name) for name in ("unknown", "asking", "uploading", "known"))
    asking.session.deadline = None
    uploading.session.busy = True
    before = known.session.deadline
    for now in (129.9, 130.0):
        unknown.session.expect_within(300)
        for name in ("unknown", "asking", "uploading", "known"):
            one.look(name, now)
    assert (unknown.session.deadline, asking.session.deadline) == (130.0, None)
    assert (known.session.deadline, uploading.session.deadline) == (before, before)
