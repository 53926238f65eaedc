"""How many connections each may have, so that nobody can take them all: who is proven, and who is not yet."""

from collections import Counter, OrderedDict

from proxy.errors import Refusal
from proxy.peers import party

CROWDED = Refusal(
    "too_many_connections", 503, "Too many connections wait to show who they are: this one had to make room.", "retry"
)
TAKEN = Refusal(
    "too_many_connections", 503, "This agent has as many connections open as it may. Close some, or wait.", "retry"
)
_NEWCOMERS = 10  # one in so many places is for who is not proven yet,
_LEAST = 64  # or so many, if that is not more than half: a few agents that start together are no crowd


class Shares:
    """Places for `most` connections, by id: a tenth, or 64, for those whom nobody knows yet.

    A newcomer always finds a place. If there was none, the oldest of that address gives way which has most of them:
    whoever means well is proven in a moment, and is the oldest only among those that wait without saying anything. All
    newcomers together may send `most_bytes` before they are proven: then the one that has sent most gives way. A
    proven agent may have as many as are left free, so that beside any number of greedy ones there is room for another.
    """

    def __init__(self, most: int, most_bytes: int = 128 << 20) -> None:
        self._most_bytes = most_bytes
        self._received: Counter[str] = Counter()
        self._all_received = 0
        self._for_newcomers = max(1, most // _NEWCOMERS, min(_LEAST, most // 2))
        self._for_proven = max(1, most - self._for_newcomers)
        self._newcomers: dict[str, str] = {}
        self._by_party: dict[str, OrderedDict[str, None]] = {}
        self._agents: dict[str, str] = {}
        self._by_agent: Counter[str] = Counter()
        self.refused = 0

    @property
    def unproven(self) -> int:
        """How many connections are not proven yet."""
        return len(self._newcomers)

    @property
    def proven(self) -> int:
        """How many connections are an agent's."""
        return len(self._agents)

    def enter(self, connection: str, peer: str) -> None:
        """A newcomer."""
        name = party(peer)
        self._newcomers[connection] = name
        self._by_party.setdefault(name, OrderedDict())[connection] = None

    def received(self, connection: str, size: int) -> bool:
        """So much has come. Whether it is of a newcomer, for all of whom together we keep only so much in memory."""
        if connection not in self._newcomers:
            return False
        self._received[connection] += size
        self._all_received += size
        return True

    def too_many(self) -> str | None:
        """Who is to give way; None while there is room. The same until it is proven, or leaves."""
        if self._all_received > self._most_bytes:
            return max(self._received, key=lambda name: self._received[name])
        if len(self._newcomers) <= self._for_newcomers:
            return None
        most = max(self._by_party, key=lambda name: len(self._by_party[name]))
        return next(iter(self._by_party[most]))

    def is_newcomer(self, connection: str) -> bool:
        return connection in self._newcomers

    def prove(self, connection: str, agent: str) -> bool:
        """This connection is the agent's, if that may have one more."""
        if connection in self._agents:
            return True
        if connection not in self._newcomers or self._by_agent[agent] >= self._for_proven - len(self._agents):
            return False
        self._forget(connection)
        self._agents[connection] = agent
        self._by_agent[agent] += 1
        return True

    def refuse(self, connection: str) -> None:
        """It has no place: it is told so, and ends."""
        self.refused += 1
        self.leave(connection)

    def leave(self, connection: str) -> None:
        """It has ended."""
        self._forget(connection)
        agent = self._agents.pop(connection, None)
        if agent is not None:
            self._by_agent[agent] -= 1
            if not self._by_agent[agent]:
                del self._by_agent[agent]

    def _forget(self, connection: str) -> None:
        name = self._newcomers.pop(connection, None)
        if name is not None:
            self._all_received -= self._received.pop(connection, 0)
            del self._by_party[name][connection]
            if not self._by_party[name]:
                del self._by_party[name]
