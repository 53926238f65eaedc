"""Reads what an upstream sends, as the answer to one request, strictly and within limits. No I/O."""

from h11 import EndOfMessage, ProtocolError
from h11._readers import ChunkedReader, ContentLengthReader, Http10Reader
from h11._receivebuffer import ReceiveBuffer

from proxy.listener.agent_reader import MAX_AHEAD, End
from proxy.listener.head import ResponseHead, UpstreamFault, read_response_head

MAX_INTERIM = 32


class AnswerReader:
    """Feed it bytes, ask it for the next item: the head, pieces of the body, and the `End`.

    Interim answers (1xx other than the 101 that was asked for) are dropped, and so are trailers.
    """

    def __init__(self, method: str, *, websocket: bool, max_bytes: int, max_count: int) -> None:
        self._method = method
        self._websocket = websocket
        self._max_bytes = max_bytes
        self._max_count = max_count
        self._buffer = ReceiveBuffer()
        self._interim = 0
        self._body: ChunkedReader | ContentLengthReader | Http10Reader | None = None
        self._ended = False
        self.reusable = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def rest(self) -> bytes:
        """Takes out what has been fed and not read."""
        return bytes(self._buffer.maybe_extract_at_most(len(self._buffer)) or b"")

    def next_item(self) -> ResponseHead | bytes | End | None:
        """The next item, or None when more bytes are needed; raises UpstreamFault for what cannot be understood."""
        if self._ended:
            return None
        if self._body is None:
            return self._next_head()
        return self._next_body()

    def closed(self, *, broken: bool = False) -> End:
        """The upstream will send no more: the end of a body without a length, unless it broke off, or a fault."""
        if broken or not isinstance(self._body, Http10Reader):
            where = "in the middle of its answer" if self._body else "without an answer"
            raise UpstreamFault(f"the upstream closed the connection {where}")
        self._ended = True
        return End.MESSAGE

    def _next_head(self) -> ResponseHead | None:
        while True:
            raw = bytes(self._buffer)
            end = raw.find(b"\r\n\r\n")
            if end + 4 > self._max_bytes or (end < 0 and len(raw) > self._max_bytes):
                raise UpstreamFault("response head too large")
            if end < 0:
                return None
            self._buffer.maybe_extract_at_most(end + 4)
            head = read_response_head(raw[: end + 4], self._max_count)
            if head.status >= 200 or (head.status == 101 and self._websocket):
                self._body = self._framing(head)
                return head
            self._interim += 1
            if head.status == 101 or self._interim > MAX_INTERIM:
                raise UpstreamFault("the upstream switched protocols unasked, or never answers")

    def _framing(self, head: ResponseHead) -> ChunkedReader | ContentLengthReader | Http10Reader:
        """How the body ends (RFC 9112 section 6.3); raises UpstreamFault for anything with two readings."""
        lengths = [value for name, value in head.fields if name == "content-length"]
        codings = [value.lower() for name, value in head.fields if name == "transfer-encoding"]
        options = {
            option.strip().lower() for name, value in head.fields if name == "connection" for option in value.split(",")
        }
        self.reusable = head.version == "HTTP/1.1" and "close" not in options
        if (lengths and codings) or len(lengths) > 1 or (codings and codings != ["chunked"]):
            raise UpstreamFault("the length of the answer is not given in exactly one way")
        if lengths and not (lengths[0].isascii() and lengths[0].isdigit() and len(lengths[0]) < 20):
            raise UpstreamFault("the length of the answer is not a number")
        if self._method == "HEAD" or head.status in {204, 304} or head.status == 101:
            return ContentLengthReader(0)
        if codings:
            if head.version != "HTTP/1.1":
                raise UpstreamFault("a chunked answer in HTTP/1.0")
            return ChunkedReader()
        if lengths:
            return ContentLengthReader(int(lengths[0]))
        self.reusable = False
        return Http10Reader()

    def _next_body(self) -> bytes | End | None:
        assert self._body is not None
        try:
            item = self._body(self._buffer)
        except ProtocolError as error:
            raise UpstreamFault("the answer's body is not framed correctly") from error
        if item is None:
            if len(self._buffer) > MAX_AHEAD:
                raise UpstreamFault("the answer's body is not framed correctly")
            return None
        if isinstance(item, EndOfMessage):
            self._ended = True
            self.reusable = self.reusable and not self._buffer
            return End.MESSAGE
        return bytes(item.data)
