"""The way in: the proxy's port and the gateway's port, and every connection behind them."""

import asyncio
import logging
import time

from proxy.listener.ca import Authority
from proxy.listener.connection import AgentConnection
from proxy.listener.guarded import GuardedGate
from proxy.listener.house import House
from proxy.listener.interfaces import Gate
from proxy.listener.options import ListenerOptions
from proxy.listener.profile import check_version
from proxy.listener.tls_contexts import AgentTls, UpstreamTls
from proxy.stages import Entrance

log = logging.getLogger("countersign.listener")

BACKLOG = 4096
CHECK_IDLE_EVERY = 0.5


class Listener:
    """Runs in the loop in which it is started, beside whatever else runs there. Starts once."""

    def __init__(self, gate: Gate, options: ListenerOptions) -> None:
        self._options = options
        self._gate = GuardedGate(gate, options.decision_timeout)
        self._house: House | None = None
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self.proxy_address: tuple[str, int] = ("", 0)
        self.gateway_address: tuple[str, int] | None = None

    async def start(self) -> None:
        """Returns when both ports listen; raises when that, or anything before it, is not possible."""
        check_version()
        logging.getLogger("mitmproxy").setLevel(logging.ERROR)  # below that, it prints what agents send
        options = self._options
        authority = Authority.at(options.ca_directory, time.time())
        loop = asyncio.get_running_loop()
        agent_tls = AgentTls(authority, http2=options.http2)
        house = House(loop, options, self._gate, agent_tls, UpstreamTls(options.upstream_ca_bundle))
        house.empty.set()
        self._house = house
        try:
            self.proxy_address = await self._listen(house, "forward", options.proxy_host, options.proxy_port)
            if options.gateway_port is not None:
                self.gateway_address = await self._listen(house, "gateway", options.gateway_host, options.gateway_port)
        except OSError:
            await self.stop(0)
            raise
        own = {self.proxy_address[1], *options.forbidden_ports}
        house.own_ports = frozenset(own | ({self.gateway_address[1]} if self.gateway_address else set()))
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

    async def _listen(self, house: House, entrance: Entrance, host: str, port: int) -> tuple[str, int]:
        server = await house.loop.create_server(
            lambda: AgentConnection(house, entrance),
            host,
            port,
            reuse_port=self._options.reuse_port,
            backlog=BACKLOG,
        )
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
            for connection in list(house.connections.values()):
                try:
                    connection.sweep(now, thorough=thorough)
                except Exception:  # the listener's boundary: what cannot be checked is cut, and the others still are
                    log.exception("a connection could not be checked")
                    connection.cut("check_failed")
