"""The gate, and behind it the question whether this agent may have one more connection."""

from proxy.listener.guarded import GuardedGate
from proxy.listener.interfaces import Gate
from proxy.listener.shares import TAKEN, Shares
from proxy.stages import Arrived, Evidence, Released, Reply


class SharedGate(GuardedGate):
    """A proven agent that has all the connections that it may is refused on one more: nothing of it was sent."""

    def __init__(self, gate: Gate, within: float, shares: Shares) -> None:
        super().__init__(gate, within)
        self._shares = shares

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        reply = await super().admit_tunnel(connection, evidence, host, port)
        if reply is not None or self._has_place(connection):
            return reply
        return await self.refuse(TAKEN, connection, evidence.peer, f"CONNECT {host}:{port}")

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        verdict = await super().admit_call(arrived, evidence)
        # In a tunnel there is nothing left to ask: it would not be there.
        if evidence is None or not isinstance(verdict, Released) or self._has_place(arrived.connection):
            return verdict
        self.unsent(verdict, TAKEN.reason)
        return await self.refuse(TAKEN, arrived.connection, evidence.peer, "a call")

    def _has_place(self, connection: str) -> bool:
        agent = self.agent_of(connection)
        return agent is not None and self._call("shares", lambda: self._shares.prove(connection, agent)) is True
