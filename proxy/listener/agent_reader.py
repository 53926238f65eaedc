"""Reads what an agent sends, as HTTP/1.1 requests, strictly and within limits. No I/O."""

from enum import Enum, auto

from h11 import EndOfMessage, ProtocolError
from h11._readers import ChunkedReader, ContentLengthReader
from h11._receivebuffer import ReceiveBuffer

from proxy.errors import Refused, refuse
from proxy.listener.canonical import Incoming, Place, canonical
from proxy.listener.head import hopeless, malformed, read_request_head
from proxy.listener.options import ListenerOptions

# Chunk headers, and what a client sends ahead while its last request is being answered.
MAX_AHEAD = 64 * 1024
# Taking a chunk apart costs the same whatever it holds, and a body is read before it is known who sends it.
FREE_CHUNKS = 4096
SMALLEST_MEAN = 64


class End(Enum):
    """The end of a message."""

    MESSAGE = auto()


class _Phase(Enum):
    HEAD = auto()
    BODY = auto()
    WAIT = auto()


class AgentReader:
    """Feed it bytes, ask it for the next item: an `Incoming`, pieces of its body, and its `End`.

    `next_item` returns None when it needs more bytes, and raises the refusal for what has no single meaning; after
    that it must not be asked again. After an `End` it waits for `next_request`.
    """

    def __init__(self, place: Place, peer: str, options: ListenerOptions) -> None:
        self._place = place
        self._peer = peer
        self._options = options
        self._buffer = ReceiveBuffer()
        self._phase = _Phase.HEAD
        self._body: ChunkedReader | ContentLengthReader = ContentLengthReader(0)
        self._size = 0
        self._chunks = 0

    @property
    def begun(self) -> bool:
        """Whether a request has begun to arrive and is not complete."""
        return self._phase is _Phase.BODY or (self._phase is _Phase.HEAD and bool(self._buffer))

    @property
    def complete(self) -> bool:
        """Whether the current request has arrived to its last byte."""
        return self._phase is _Phase.WAIT

    def feed(self, data: bytes) -> None:
        """Takes more bytes; raises the refusal when a client sends far ahead of our answer."""
        self._buffer += data
        if self._phase is _Phase.WAIT and len(self._buffer) > MAX_AHEAD:
            raise malformed("Too much was sent ahead of the answer.")

    def next_request(self) -> None:
        """The request that ended has been answered."""
        self._phase = _Phase.HEAD

    def rest(self) -> bytes:
        """Takes out what has been fed and not read."""
        return bytes(self._buffer.maybe_extract_at_most(len(self._buffer)) or b"")

    def next_item(self) -> Incoming | bytes | End | None:
        if self._phase is _Phase.HEAD:
            return self._next_head()
        if self._phase is _Phase.BODY:
            return self._next_body()
        return None

    def _next_head(self) -> Incoming | None:
        if not self._buffer:
            return None
        raw = bytes(self._buffer)
        end = raw.find(b"\r\n\r\n")
        limit = self._options.max_header_bytes
        if raw.startswith(b"CONNECT "):
            limit = min(limit, self._options.max_connect_bytes)
        if end + 4 > limit or (end < 0 and len(raw) > limit):
            raise refuse("header_too_large", 431, f"The request's head is larger than {limit} bytes.", "fix_request")
        if end < 0:
            if hopeless(raw):
                raise malformed("This is not an HTTP/1.1 request.")
            return None
        self._buffer.maybe_extract_at_most(end + 4)
        head = read_request_head(raw[: end + 4], self._options.max_header_count)
        incoming = canonical(head, self._place, self._peer)
        if incoming.length is not None and incoming.length > self._options.max_body_bytes:
            raise too_large(self._options.max_body_bytes)
        self._body = ChunkedReader() if incoming.length is None else ContentLengthReader(incoming.length)
        self._size = 0
        self._chunks = 0
        self._phase = _Phase.BODY
        return incoming

    def _next_body(self) -> bytes | End | None:
        try:
            item = self._body(self._buffer)
        except ProtocolError as error:
            raise malformed("The request's body is not framed correctly.") from error
        if item is None:
            if len(self._buffer) > MAX_AHEAD:
                raise malformed("The request's body is not framed correctly.")
            return None
        if isinstance(item, EndOfMessage):
            if item.headers:
                raise refuse("trailers_refused", 400, "Requests with trailers are not passed on.", "fix_request")
            self._phase = _Phase.WAIT
            return End.MESSAGE
        data = bytes(item.data)
        self._size += len(data)
        if self._size > self._options.max_body_bytes:
            raise too_large(self._options.max_body_bytes)
        self._chunks += item.chunk_start
        if self._chunks > FREE_CHUNKS and self._size < self._chunks * SMALLEST_MEAN:
            raise malformed("The request's body comes in too many tiny chunks; send larger ones, or its length.")
        return data


def too_large(limit: int) -> Refused:
    """What a request is told whose body is larger than what can be judged."""
    detail = f"The request's body is larger than the {limit} bytes that can be inspected."
    return refuse("body_too_large", 413, detail, "fix_request")
