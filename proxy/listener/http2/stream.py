"""One stream of an HTTP/2 connection: one call, and how far it has come."""

from dataclasses import dataclass, field
from enum import Enum, auto

from mitmproxy.connection import Server

from proxy.listener.canonical import Incoming
from proxy.listener.http2.answer import StreamExchange
from proxy.listener.wire import Inquiry


class Phase(Enum):
    READING = auto()
    REFUSING = auto()
    DECIDING = auto()
    CONNECTING = auto()
    ANSWERING = auto()
    SENDING = auto()  # all of the answer is in the frames


@dataclass(slots=True, eq=False)
class Stream:
    """One call. `gone` says why nobody waits for its answer any more; it stays until nothing can come of it."""

    number: int
    deadline: float | None
    phase: Phase = Phase.READING
    incoming: Incoming | None = None
    body: list[bytes] = field(default_factory=list)
    size: int = 0
    pieces: int = 0
    complete: bool = False
    question: Inquiry | None = None
    exchange: StreamExchange | None = None
    server: Server | None = None
    gone: str = ""
