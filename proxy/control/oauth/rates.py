"""How often one client may ask: each answer costs a signature and a durable record."""

import math

PER_SECOND = 2.0
AT_ONCE = 60.0


class Rates:
    """So many requests at once, and then so many a second. Those who ask are known, so that they are few."""

    def __init__(self, per_second: float = PER_SECOND, at_once: float = AT_ONCE) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, client: str, now: float) -> int:
        """Zero, and one is counted, if this client may ask now; else after how many seconds it may."""
        left, at = self._left.get(client, (self._at_once, now))
        left = min(self._at_once, left + max(0.0, now - at) * self._per_second)
        if left < 1.0:
            self._left[client] = (left, now)
            return max(1, math.ceil((1.0 - left) / self._per_second))
        self._left[client] = (left - 1.0, now)
        return 0
