"""Counts the frames that an agent sends before anything is made of them, so that none of them is free.

HTTP/2 has many frames that cost us work and the sender nothing: pings, settings, priorities, window updates, resets,
empty data, header blocks without end. What an agent needs of them grows with what it gets done; the rest runs out.
"""

from collections.abc import Callable

PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

_DATA, _HEADERS, _RST_STREAM, _CONTINUATION = 0x0, 0x1, 0x3, 0x9
_END_HEADERS = 0x4


class Flood(Exception):
    """The agent has sent more of something than it can need. Text says of what."""


class Allowance:
    """Something that is used up, and comes back with time and with work that was done."""

    def __init__(self, most: float, per_second: float, clock: Callable[[], float]) -> None:
        self._most = most
        self._per_second = per_second
        self._clock = clock
        self._left = most
        self._at = clock()

    def spend(self, amount: float) -> bool:
        """False when there was not so much left."""
        if self._left < amount:
            now = self._clock()
            self._left = min(self._most, self._left + (now - self._at) * self._per_second)
            self._at = now
        self._left -= amount
        return self._left >= 0

    def earn(self, amount: float) -> None:
        self._left = min(self._most, self._left + amount)


class FrameMeter:
    """Walks over the frames' headers. `unfinished` is since when a frame or header block has not got on, or None."""

    def __init__(self, max_block: int, clock: Callable[[], float]) -> None:
        self._max_block = max_block
        self._clock = clock
        self._header = bytearray()
        self._skip = PREFACE
        self._block: int | None = None
        self._frames = Allowance(1000, 50, clock)
        self._resets = Allowance(200, 10, clock)
        self.unfinished: float | None = None

    def sent_data(self) -> None:
        """A data frame has gone out; the agent answers it with up to two window updates."""
        self._frames.earn(2)

    def answered(self) -> None:
        """A request was answered."""
        self._frames.earn(8)
        self._resets.earn(1)

    def refused(self) -> None:
        """The agent has begun a stream beyond what it was told it may; raises Flood."""
        if not self._frames.spend(1):
            raise Flood("streams")

    def reset(self) -> None:
        """A stream has come to nothing by the agent's doing; raises Flood."""
        if not self._resets.spend(1):
            raise Flood("resets")

    def feed(self, data: bytes) -> None:
        """Judges the frames in these bytes; raises Flood."""
        at, whole, between = 0, False, self.unfinished is None
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
            else:
                missing = 9 - len(self._header)
                self._header += data[at : at + missing]
                at += missing
                if len(self._header) == 9:
                    self._frame()
            between = not self._skip and not self._header and self._block is None
            whole = whole or between
        if between:
            self.unfinished = None
        elif whole or self.unfinished is None:
            self.unfinished = self._clock()

    def _frame(self) -> None:
        length = int.from_bytes(self._header[:3])
        kind, flags = self._header[3], self._header[4]
        self._header.clear()
        self._skip = length
        if not (kind == _DATA and length) and not self._frames.spend(1):
            raise Flood("frames")
        if kind == _HEADERS:
            self._block = 0
        if kind in {_HEADERS, _CONTINUATION} and self._block is not None:
            self._block += length
            if self._block > self._max_block:
                raise Flood("header block")
            if flags & _END_HEADERS:
                self._block = None
