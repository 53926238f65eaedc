"""What goes back to the agent on a stream: the upstream's answer, or a reply of our own."""

from proxy.listener.answer import announced_length, end_to_end, reply_fields, reply_status
from proxy.listener.exchange import Exchange
from proxy.listener.head import Fields, ResponseHead
from proxy.listener.http2.frames import Block
from proxy.stages import Reply


class StreamExchange(Exchange):
    """An exchange whose answer goes out as a block of fields and frames of data.

    `opening` is the block, once it may be passed on. `finish` is for when the last byte has been sent: a slow agent
    may leave before that.
    """

    opening: Block | None = None

    def finish(self) -> None:
        self.account.finish(self._status)

    def _opening(self, head: ResponseHead) -> bytes:
        self.opening = _block(head.status, end_to_end(head), announced_length(head))
        return b""

    def _framed(self, data: bytes) -> bytes:
        self.account.received(len(data))
        return data

    def _closing(self) -> bytes:
        return b""


def reply_block(reply: Reply) -> Block:
    """The head of a reply of our own."""
    status = reply_status(reply)
    return _block(status, reply_fields(reply), None if status in {204, 304} else str(len(reply.body)))


def _block(status: int, fields: Fields, length: str | None) -> Block:
    """RFC 9113 section 8.2.1: values neither begin nor end with a space."""
    block = [(b":status", b"%d" % status)]
    block += [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace").strip()) for name, value in fields]
    if length is not None:
        block.append((b"content-length", length.encode("ascii")))
    return block
