"""What all agent connections of one listener share."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.listener.guarded import GuardedGate
from proxy.listener.options import ListenerOptions
from proxy.listener.outer_context import OuterTls
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
    draining: bool = False
    connections: dict[str, "AgentConnection"] = field(default_factory=dict)
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    background: set[asyncio.Task[object]] = field(default_factory=set)

    def enter(self, name: str, connection: "AgentConnection") -> None:
        self.connections[name] = connection
        self.empty.clear()

    def leave(self, name: str) -> None:
        self.connections.pop(name, None)
        if not self.connections:
            self.empty.set()
