"""What the listener needs from the path of a call."""

from typing import Protocol

from proxy.errors import Refusal
from proxy.stages import Answered, Arrived, Destination, Evidence, Released, Reply

__all__ = ["Destination", "Gate"]


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

    def agent_of(self, connection: str) -> str | None:
        """The agent that this connection has proven to be; None while it has not."""
        ...

    def word(self, released: Released, refusal: Refusal) -> Reply:
        """This failure of a call that was released, in the shape that its protocol understands. Never blocks."""
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
