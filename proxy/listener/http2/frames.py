"""One HTTP/2 connection's frames: what the agent sends, and as much of the answers as its windows have room for.

No I/O, and no judgement of what is asked for. What the agent does not yet take of an answer stays here, counted.
"""

import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event, RemoteSettingsChanged
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from proxy.listener.http2.meter import Flood, FrameMeter
from proxy.listener.options import KIB, ListenerOptions

type Block = list[tuple[bytes, bytes]]

MAX_STREAMS = 100
STREAM_WINDOW = 64 * KIB - 1
CONNECTION_WINDOW = 1024 * KIB
FRAME = 16 * KIB

# How much is parsed before we look again: the parser moves all that follows a frame, for each frame.
_SLICE = 8 * KIB
# Streams beyond `MAX_STREAMS` are refused one by one; a library that counted for us would end the connection.
_SLACK = 1000
_MAX_SETTINGS = 64
_HEADER_TABLE = 4 * KIB


class Broken(Exception):
    """The agent does not speak HTTP/2 as it must. Nothing more can be understood."""


class _Connection(H2Connection):
    """Remembers fewer of the streams that are over than the library does by default."""

    MAX_CLOSED_STREAMS = 1024


@dataclass(slots=True)
class _Outbox:
    """What has not been sent yet of one answer."""

    pieces: deque[bytes] = field(default_factory=deque)
    offset: int = 0
    size: int = 0
    ended: bool = False

    def take(self, most: int) -> memoryview:
        """Up to so many bytes, of which there are some."""
        piece = self.pieces[0]
        taken = memoryview(piece)[self.offset : self.offset + most]
        self.offset += len(taken)
        self.size -= len(taken)
        if self.offset == len(piece):
            self.pieces.popleft()
            self.offset = 0
        return taken


class Frames:
    """Feed it bytes and ask for events; tell it what to answer, `flush`, and `take` what is to be sent."""

    def __init__(self, options: ListenerOptions, clock: Callable[[], float]) -> None:
        self.meter = FrameMeter(options.max_header_bytes + FRAME, clock)
        self._own = bytearray()
        self._failed: list[int] = []
        self._outboxes: dict[int, _Outbox] = {}
        self._connection = connection = _Connection(H2Configuration(client_side=False))
        settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_HEADER_LIST_SIZE: options.max_header_bytes,
            },
        )
        connection.local_settings = settings
        connection.decoder.max_header_list_size = options.max_header_bytes + 32 * options.max_header_count + FRAME
        connection.initiate_connection()
        connection.increment_flow_control_window(CONNECTION_WINDOW - STREAM_WINDOW)
        settings[SettingCodes.MAX_CONCURRENT_STREAMS] = MAX_STREAMS + _SLACK
        settings.acknowledge()

    # --- what comes -------------------------------------------------------------------------------

    def receive(self, data: bytes) -> Iterator[Event]:
        """What the agent has done, step by step; raises Broken or Flood, and must not be asked again after that."""
        for start in range(0, len(data), _SLICE):
            piece = data[start : start + _SLICE]
            self.meter.feed(piece)
            try:
                found = self._connection.receive_data(piece)
            except ProtocolError as error:
                raise Broken from error
            for event in found:
                if isinstance(event, RemoteSettingsChanged):
                    self._bound_settings()
                yield event

    def _bound_settings(self) -> None:
        connection = self._connection
        if len(connection.remote_settings) > _MAX_SETTINGS:
            raise Flood("settings")
        connection.encoder.header_table_size = min(connection.encoder.header_table_size, _HEADER_TABLE)

    # --- what goes --------------------------------------------------------------------------------

    def interim(self, stream: int) -> None:
        """100 Continue."""
        self._try(lambda: self._connection.send_headers(stream, [(b":status", b"100")]))

    def head(self, stream: int, block: Block) -> None:
        """The answer's head. Its body follows, or at least its end."""
        if self._try(lambda: self._connection.send_headers(stream, block)):
            self._outboxes[stream] = _Outbox()
        else:
            self._failed.append(stream)

    def body(self, stream: int, data: bytes) -> None:
        outbox = self._outboxes.get(stream)
        if outbox is not None and data:
            outbox.pieces.append(data)
            outbox.size += len(data)

    def end(self, stream: int) -> None:
        outbox = self._outboxes.get(stream)
        if outbox is not None:
            outbox.ended = True

    def reset(self, stream: int, code: ErrorCodes) -> None:
        """Nothing more on this stream, in either direction."""
        self.forget(stream)
        self._try(lambda: self._connection.reset_stream(stream, code))

    def forget(self, stream: int) -> None:
        """Throws away what has not been sent on this stream."""
        self._outboxes.pop(stream, None)

    def goaway(self, code: ErrorCodes) -> None:
        """Written by hand, since the library takes it for the end of everything: streams that were begun may end."""
        last = self._connection.highest_inbound_stream_id
        self._own += struct.pack(">HBBBIII", 0, 8, 7, 0, 0, last, code)

    def queued(self) -> Iterator[tuple[int, int]]:
        """(stream, bytes) for each answer that is under way."""
        return ((stream, outbox.size) for stream, outbox in self._outboxes.items())

    def flush(self) -> tuple[list[int], list[int]]:
        """Sends what there is room for, a frame of each stream in turn. (Streams that ended, streams that failed.)"""
        done: list[int] = []
        failed, self._failed = self._failed, []
        turn = [stream for stream, outbox in self._outboxes.items() if outbox.size or outbox.ended]
        while turn:
            again = []
            for stream in turn:
                try:
                    if self._send(stream):
                        again.append(stream)
                except ProtocolError:
                    self._outboxes.pop(stream)
                    failed.append(stream)
                    continue
                if stream not in self._outboxes:
                    done.append(stream)
            turn = again
        return done, failed

    def _send(self, stream: int) -> bool:
        """One frame of this stream. Whether there may be another one to send now."""
        outbox = self._outboxes[stream]
        if not outbox.size:
            if outbox.ended:
                self._connection.end_stream(stream)
                del self._outboxes[stream]
            return False
        room = min(self._connection.local_flow_control_window(stream), FRAME)
        if room <= 0:
            return False
        piece = outbox.take(room)
        last = outbox.ended and not outbox.size
        self._connection.send_data(stream, piece, end_stream=last)
        self.meter.sent_data()
        if last:
            del self._outboxes[stream]
        return not last

    def open_window(self, size: int, stream: int | None = None) -> None:
        """The agent may send so much more: on this stream, else on the connection."""
        self._try(lambda: self._connection.increment_flow_control_window(size, stream))

    def take(self) -> bytes:
        """Everything that is to be sent now."""
        data = self._connection.data_to_send()
        if self._own:
            data += bytes(self._own)
            self._own.clear()
        return data

    def _try(self, step: Callable[[], None]) -> bool:
        """False if the stream is over already."""
        try:
            step()
        except (ProtocolError, KeyError):
            return False
        return True
