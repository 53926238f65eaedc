"""The way in: the ports of the proxy and the gateway, with and without TLS, the local socket, and all behind them."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from proxy.errors import CountersignError
from proxy.listener.ca import Authority
from proxy.listener.connection import AgentConnection
from proxy.listener.house import House
from proxy.listener.interfaces import Gate
from proxy.listener.local_socket import bind_local
from proxy.listener.options import ListenerOptions
from proxy.listener.outer import OuterConnection
from proxy.listener.outer_context import OuterTls
from proxy.listener.profile import check_version
from proxy.listener.shared_gate import SharedGate
from proxy.listener.shares import Shares
from proxy.listener.tls_contexts import AgentTls, UpstreamTls
from proxy.stages import Entrance

log = logging.getLogger("countersign.listener")

BACKLOG = 4096
CHECK_IDLE_EVERY = 0.5


type Make = Callable[[], asyncio.BaseProtocol]


class Listener:
    """Runs in the loop in which it is started, beside whatever else runs there. Starts once."""

    def __init__(self, gate: Gate, options: ListenerOptions) -> None:
        self._options = options
        self.shares = Shares(options.max_connections, options.max_unproven_bytes)
        self._gate = SharedGate(gate, options.decision_timeout, self.shares)
        self._house: House | None = None
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self.proxy_address: tuple[str, int] = ("", 0)
        self.gateway_address: tuple[str, int] | None = None
        self.proxy_tls_address: tuple[str, int] | None = None
        self.gateway_tls_address: tuple[str, int] | None = None
        self.local: Path | None = None

    async def start(self) -> None:
        """Returns when everything listens; raises when that, or anything before it, is not possible."""
        check_version()
        logging.getLogger("mitmproxy").setLevel(logging.ERROR)  # below that, it prints what agents send
        options = self._options
        authority = Authority.at(options.ca_directory, time.time())
        loop = asyncio.get_running_loop()
        agent_tls, upstream_tls = AgentTls(authority, http2=options.http2), UpstreamTls(options.upstream_ca_bundle)
        house = House(loop, options, self._gate, agent_tls, upstream_tls, _outer_tls(options, authority))
        house.shares = self.shares
        house.empty.set()
        self._house = house
        try:
            await self._open(house)
        except (OSError, CountersignError):
            await self.stop(0)
            raise
        ours = (self.proxy_address, self.gateway_address, self.proxy_tls_address, self.gateway_tls_address)
        house.own_ports = frozenset([*options.forbidden_ports, *(address[1] for address in ours if address)])
        self._sweeper = loop.create_task(self._sweep(house))

    async def stop(self, drain_seconds: float) -> None:
        """Takes no more connections, lets requests that are under way end within this time, and cuts the rest."""
        for server in self._servers:
            server.close()
        house = self._house
        if house is not None:
            house.draining = True
            for connection in list(house.connections.values()):
                connection.drain()
            try:
                async with asyncio.timeout(drain_seconds):
                    await house.empty.wait()
            except TimeoutError:
                for connection in list(house.connections.values()):
                    connection.cut("shutting_down")
                await house.empty.wait()
            if house.background:
                await asyncio.wait(house.background)
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    def connections(self) -> tuple[str, ...]:
        """The ids of all connections of agents that are open."""
        return tuple(self._house.connections) if self._house else ()

    def cut(self, connection_id: str, reason: str) -> None:
        """Closes this connection at once, answers and WebSockets included."""
        connection = self._house.connections.get(connection_id) if self._house else None
        if connection is not None:
            connection.cut(reason)

    async def _open(self, house: House) -> None:
        """All doors that there are to be."""
        options, forward, gateway = self._options, _plain(house, "forward"), _plain(house, "gateway")
        self.proxy_address = await self._listen(house, forward, options.proxy_host, options.proxy_port)
        if options.gateway_port is not None:
            self.gateway_address = await self._listen(house, gateway, options.gateway_host, options.gateway_port)
        if options.proxy_tls is not None:
            self.proxy_tls_address = await self._listen(house, _in_tls(house, forward), *options.proxy_tls)
        if options.gateway_tls is not None:
            self.gateway_tls_address = await self._listen(house, _in_tls(house, gateway), *options.gateway_tls)
        if options.local is not None:
            sock = bind_local(options.local)
            self._servers.append(await house.loop.create_unix_server(forward, sock=sock, backlog=BACKLOG))
            self.local = options.local

    async def _listen(self, house: House, make: Make, host: str, port: int) -> tuple[str, int]:
        server = await house.loop.create_server(make, host, port, reuse_port=self._options.reuse_port, backlog=BACKLOG)
        self._servers.append(server)
        address = server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    async def _sweep(self, house: House) -> None:
        checked = 0.0
        while True:
            await asyncio.sleep(self._options.sweep_interval)
            now = house.loop.time()
            thorough = now - checked >= CHECK_IDLE_EVERY
            if thorough:
                checked = now
            for name, connection in list(house.connections.items()):
                try:
                    if thorough:
                        house.look(name, now)
                    connection.sweep(now, thorough=thorough)
                except Exception:  # the listener's boundary: what cannot be checked is cut, and the others still are
                    log.exception("a connection could not be checked")
                    connection.cut("check_failed")


def _outer_tls(options: ListenerOptions, authority: Authority) -> OuterTls | None:
    """None where nobody is asked for TLS; raises `CountersignError` if we could not prove who we are."""
    if options.proxy_tls is None and options.gateway_tls is None:
        return None
    tls = OuterTls(authority, options.tls_names, options.tls_files)
    tls.connection(time.time())
    return tls


def _plain(house: House, entrance: Entrance) -> Callable[[], AgentConnection]:
    return lambda: AgentConnection(house, entrance)


def _in_tls(house: House, make: Callable[[], AgentConnection]) -> Make:
    tls = house.outer_tls
    assert tls is not None
    return lambda: OuterConnection(make(), tls)
