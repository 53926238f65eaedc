"""The fixed profile under which mitmproxy's layers run here, and the version that it was tested with.

We use mitmproxy's protocol layers (TLS on both sides, tunnels, WebSocket) and drive them ourselves: no `Master`,
no add-ons, no option that could pass traffic on unseen. Layers read their options from `LayerOptions`, which
nobody can change at run time.
"""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from mitmproxy.connection import Client, Server
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.version import VERSION

from proxy.errors import CountersignError
from proxy.listener.permit import Permit
from proxy.stages import Destination

if TYPE_CHECKING:
    from mitmproxy.proxy.layer import Layer

# Raising this means running tests/proxy/listener and tests/attacks against the new version first.
TESTED_VERSIONS = frozenset({"12.2.3"})


@dataclass(frozen=True, slots=True)
class LayerOptions:
    """Every option that a layer of ours may read, at the only value that it may have."""

    rawtcp: bool = False
    websocket: bool = True
    http2: bool = False
    http3: bool = False
    connection_strategy: str = "lazy"
    validate_inbound_headers: bool = True
    keep_host_header: bool = False
    store_streamed_bodies: bool = False
    stream_large_bodies: None = None
    body_size_limit: None = None
    proxy_debug: bool = False
    tcp_timeout: int = 60


OPTIONS = cast("Options", LayerOptions())


class GovernedContext(Context):
    """A context whose forks do not make a server object only to throw it away."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.server = Server(address=None)
        self.options = OPTIONS
        self.layers: list[Layer] = []

    def fork(self) -> Self:
        fork = type(self).__new__(type(self))
        fork.client = self.client
        fork.server = self.server
        fork.options = self.options
        fork.layers = self.layers.copy()
        return fork


class GovernedClient(Client):
    """An agent's connection, found by itself alone: no copy of it leads to its socket."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


class GovernedServer(Server):
    """An upstream connection, found by itself alone, and the permit for which it was opened.

    `answer_by` is until when (on the session's clock) the answer that is waited for on it must have begun, or gone on.
    `broken`: it was not closed, but reset.
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    permit: Permit
    answer_by: float | None
    broken: bool

    def __init__(self, permit: Permit) -> None:
        super().__init__(address=(permit.destination.host, permit.destination.port), id=str(uuid.uuid4()))
        self.permit = permit
        self.answer_by = None
        self.broken = False

    @property
    def destination(self) -> Destination:
        return self.permit.destination


def check_version() -> None:
    """Raises unless this is a mitmproxy that we have tested: its layers' internals are part of our safety."""
    if VERSION not in TESTED_VERSIONS:
        tested = ", ".join(sorted(TESTED_VERSIONS))
        raise CountersignError(f"mitmproxy {VERSION} is installed, but Countersign is only tested with {tested}")
