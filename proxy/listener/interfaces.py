"""What the listener needs from the path of a call."""

from dataclasses import dataclass
from typing import Protocol

from proxy.errors import Refusal
from proxy.stages import Answered, Arrived, Evidence, Released, Reply


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a released call may be connected to, and how that place is recognised.

    `host` is the name that is verified and sent as SNI. `connect` pins the address to dial instead.
    Without `allow_private_addresses`, loopback, link-local, private and metadata ranges are refused.
    """

    scheme: str
    host: str
    port: int
    connect: tuple[str, int] | None = None
    ca_bundle: str | None = None
    allow_private_addresses: bool = False
    allow_websocket: bool = False


class Gate(Protocol):
    """The only way from the wire to a decision. A `Reply` is always a refusal, or our own answer."""

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        """None if this connection may open a tunnel to this place; its identity is then bound to it."""
        ...

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        """The whole path up to the upstream. `evidence` None means: the identity bound to the connection."""
        ...

    async def refuse(self, refusal: Refusal, connection: str, peer: str, summary: str) -> Reply:
        """Record and word a refusal of something that could not become an `Arrived`."""
        ...

    def destination(self, released: Released) -> Destination: ...

    def still_allowed(self, connection: str, released: Released | None) -> str | None:
        """None while the connection's identity (and call) lives; else the reason to cut it. Microseconds."""
        ...

    def unsent(self, released: Released, error: str) -> None:
        """Not one byte went upstream. Never raises, never blocks."""
        ...

    def answered(self, answered: Answered) -> None:
        """The call has ended, well or not. Never raises, never blocks."""
        ...

    def closed(self, connection: str) -> None:
        """The agent's connection is gone; what was bound to it is forgotten."""
        ...
