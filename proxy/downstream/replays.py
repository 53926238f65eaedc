"""Which tokens have been used: each is for one request."""

import threading
from collections import deque
from typing import Protocol

from proxy.downstream.profile import Rejected


class Replays(Protocol):
    """Remembers ids. A service of several processes shares one, or a token may be used once in each of them."""

    def use(self, token_id: str, until: float, now: float) -> None:
        """Raises `Rejected` if this id was used before; remembers it at least `until` then."""
        ...


class InMemory:
    """The ids of this process. When there is room for no more, requests are refused: forgetting would let them in."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._ends: deque[tuple[float, str]] = deque()

    def use(self, token_id: str, until: float, now: float) -> None:
        """See `Replays`."""
        with self._lock:
            while self._ends and self._ends[0][0] < now:
                self._used.discard(self._ends.popleft()[1])
            if token_id in self._used:
                raise Rejected("token_replayed", "This Txn-Token was used before; each is for one request.")
            if len(self._used) >= self._most:
                raise Rejected("replay_store_full", "Too many requests at once to tell a replay from a new one.", 503)
            self._used.add(token_id)
            self._ends.append((until, token_id))
