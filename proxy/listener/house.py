"""What all agent connections of one listener share."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.errors import Refusal
from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.outer_context import OuterTls
from proxy.listener.shares import CROWDED, TAKEN, Shares
from proxy.listener.tls_contexts import AgentTls, UpstreamTls

if TYPE_CHECKING:
    from proxy.listener.connection import AgentConnection


@dataclass(slots=True)
class House:
    """`own_ports` are ports of this machine that no call may be sent to. `empty` is set while nobody is here."""

    loop: asyncio.AbstractEventLoop
    options: ListenerOptions
    gate: GuardedGate
    agent_tls: AgentTls
    upstream_tls: UpstreamTls
    outer_tls: OuterTls | None = None
    own_ports: frozenset[int] = frozenset()
    shares: Shares = field(default_factory=lambda: Shares(1))
    draining: bool = False
    connections: dict[str, "AgentConnection"] = field(default_factory=dict)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    background: set[asyncio.Task[object]] = field(default_factory=set)

    def enter(self, name: str, connection: "AgentConnection", peer: str) -> None:
        """A connection of somebody who is not proven yet. Who has been so for longest may have to give way."""
        self.connections[name] = connection
        self.empty.clear()
        self.shares.enter(name, peer)
        self._make_room()

    def received(self, name: str, size: int) -> None:
        """The agent has sent so much: of somebody who is not proven, it may be too much."""
        if self.shares.received(name, size):
            self._make_room()

    def _make_room(self) -> None:
        while (name := self.shares.too_many()) is not None:
            self.has_place(name, CROWDED)

    def leave(self, name: str) -> None:
        self.shares.leave(name)
        self.connections.pop(name, None)
        if not self.connections:
            self.empty.set()

    def has_place(self, name: str, unless: Refusal | None = None) -> bool:
        """Whether this one is proven, or may wait. It is turned away if not, and if it must give way for `unless`."""
        agent = self.gate.agent_of(name)
        if agent is not None:
            unless = None if self.shares.prove(name, agent) else TAKEN
        if unless is None:
            return True
        self.shares.refuse(name)
        if name in self.connections:
            self.connections[name].turn_away(unless)
        return False

    def look(self, name: str, now: float) -> None:
        """Learns whether a newcomer is proven by now. If not, it may not take longer with it than there is time."""
        if not self.shares.is_newcomer(name) or not self.has_place(name) or not self.shares.is_newcomer(name):
            return
        session = self.connections[name].session
        # The body of a request has its own bound. What comes after it, its answer, is what this waits for.
        if session.deadline is not None and not session.busy and now >= session.prove_by:
            session.deadline = now  # it hears what anybody hears who takes too long
