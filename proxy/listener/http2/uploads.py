"""Lets agents send request bodies only as far as there is room for all of them, and never blocks small ones.

Every stream may send what its first window holds. Those that need more get their room out of one budget, in the order
in which they ask, and keep it until their call is over, because until then their body is kept.
"""

from collections import deque

from proxy.listener.http2.frames import CONNECTION_WINDOW, STREAM_WINDOW, Frames
from proxy.listener.options import MIB

BUDGET = 16 * MIB


class Uploads:
    """The windows of one connection. `most` is the largest body of one request."""

    def __init__(self, frames: Frames, most: int) -> None:
        self._frames = frames
        self._most = most
        self._left = max(BUDGET, most)
        self._connection = 0
        self._owed: dict[int, int] = {}
        self._wanted: dict[int, int] = {}
        self._reserved: dict[int, int] = {}
        self._waiting: deque[int] = deque()

    def received(self, size: int) -> None:
        """So much came on any stream; the connection's window is for all of them, and always given back."""
        self._connection += size
        if self._connection >= CONNECTION_WINDOW // 4:
            self._frames.open_window(self._connection)
            self._connection = 0

    def reading(self, stream: int, size: int, length: int | None) -> None:
        """So much of this stream's body came, whose whole length may be known; more is wanted."""
        self._owed[stream] = owed = self._owed.get(stream, 0) + size
        if owed < STREAM_WINDOW // 2:
            return
        if stream in self._reserved:
            self._pay(stream)
        elif stream not in self._wanted:
            self._wanted[stream] = min(self._most, self._most if length is None else length)
            self._waiting.append(stream)
            self._serve()

    def over(self, stream: int) -> None:
        """The call is over, and its body gone."""
        self._owed.pop(stream, None)
        if self._wanted.pop(stream, None) is not None and stream not in self._reserved:
            self._waiting.remove(stream)
        self._left += self._reserved.pop(stream, 0)
        self._serve()

    def _serve(self) -> None:
        while self._waiting and self._wanted[self._waiting[0]] <= self._left:
            stream = self._waiting.popleft()
            self._reserved[stream] = self._wanted[stream]
            self._left -= self._wanted[stream]
            self._pay(stream)

    def _pay(self, stream: int) -> None:
        owed = self._owed.pop(stream, 0)
        if owed:
            self._frames.open_window(owed, stream)
