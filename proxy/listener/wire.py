"""The commands and events between our layers and the connection that drives them, beside mitmproxy's own."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from mitmproxy.connection import Server
from mitmproxy.proxy import commands, events, layer

from proxy.listener.permit import Permit


class Ask(commands.Command):
    """Ask the gate, and go on with its answer. Cancelled when the agent leaves."""

    blocking = True

    def __init__(self, question: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self.question = question
        self.task: asyncio.Task[object] | None = None

    def cancel(self) -> None:
        if self.task is not None:
            self.task.cancel()


@dataclass
class Told(events.CommandCompleted):  # type: ignore[no-untyped-call]  # mitmproxy notes which event answers which command
    """The answer to an Ask."""

    command: Ask
    reply: object


class Finish(commands.CloseConnection):
    """Close the agent's connection once everything has been written, and let a client that still sends read it."""


class Abort(commands.CloseConnection):
    """Close the agent's connection at once and impolitely: what it got so far is not a whole answer."""


class Become(commands.Command):
    """From now on this layer has the agent's connection. `rest` is what the client has already sent to it."""

    def __init__(self, make: Callable[[], layer.Layer], rest: bytes) -> None:
        self.make = make
        self.rest = rest


class Inquiry(Ask):
    """An Ask whose layer goes on with other things meanwhile; the `Told` comes as an event of its own."""

    blocking = False


class Throttle(commands.Command):
    """Read no more from this upstream connection, or read on: whoever waits for its answer does not keep up."""

    def __init__(self, server: Server, *, hold: bool) -> None:
        self.server = server
        self.hold = hold


class Reached(commands.Command):
    """An upstream connection is ready, TLS included, or has failed."""

    def __init__(self, server: Server, error: str | None) -> None:
        self.server = server
        self.error = error


class Delivered(commands.Command):
    """The upstream has sent bytes."""

    def __init__(self, server: Server, data: bytes) -> None:
        self.server = server
        self.data = data


class Ended(commands.Command):
    """The upstream will send no more."""

    def __init__(self, server: Server) -> None:
        self.server = server


@dataclass
class Outgoing(events.Event):
    """Bytes for the upstream, and the permit under which they go."""

    permit: Permit
    data: bytes = field(repr=False)


@dataclass
class Hangup(events.Event):
    """Close this upstream connection."""


@dataclass
class Expired(events.Event):
    """The agent took too long to send its request."""


@dataclass
class Swept(events.Event):
    """Time has passed: look for calls whose access has ended, and for what takes too long."""

    now: float


@dataclass
class Draining(events.Event):
    """Take no further request."""
