"""Serving: the doors are opened last and closed first."""

import asyncio
import contextlib
import gc
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from proxy.app.control import control_application
from proxy.app.core import Core, open_core
from proxy.app.gauges import connection_gauges, core_gauges
from proxy.app.local import operator_socket
from proxy.app.tracing import spans_to
from proxy.app.web import bind, web_servers
from proxy.checkup import missing_here, unsafe_here
from proxy.control.operator_socket import bind_operator_socket
from proxy.errors import CountersignError
from proxy.listener.ca import Authority
from proxy.listener.listener import Listener
from proxy.listener.options import ListenerOptions
from proxy.settings import Address, Settings
from telemetry.errors import AuditUnavailable
from telemetry.metrics import Metrics

# How asyncio says that an address cannot be had.
_TAKEN = re.compile(r"on address \('(?P<host>[^']+)', (?P<port>\d+).*?\): (\[errno \d+\] )?(?P<why>.+)")
DRAIN_SECONDS = 10.0
_COLLECT_EVERY = (10_000, 20, 50)


@dataclass(frozen=True, slots=True)
class Running:
    """What the start-up lines and the status say."""

    proxy: str
    gateway: str
    proxy_tls: str
    gateway_tls: str
    local: str
    console: str
    bundle: Path
    mode: str
    policy_version: str
    inventory_version: str
    audit_directory: Path
    audit_size: int
    unsafe: list[str]
    missing: list[str]


async def serve_until_signal(settings: Settings, announce: Callable[[Running], None]) -> None:
    """Serve until SIGTERM or SIGINT, then let what is under way end, for a while."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with open_core(settings) as core, serving(core) as running:
        with _settled():
            announce(running)
            await ended.wait()


@contextlib.contextmanager
def _settled() -> Iterator[None]:
    """The garbage collector leaves alone what exists now, and looks less often at what calls make.

    Calls make hardly any cycles, and each full collection of modules, policies and inventory would stop them all.
    """
    often = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()


@contextlib.asynccontextmanager
async def serving(core: Core) -> AsyncIterator[Running]:
    """All doors of this core, open."""
    settings = core.settings
    metrics = Metrics()
    core.recorder.subscribe(metrics.observe)
    core_gauges(core, metrics)
    control = settings.listen.control
    with contextlib.ExitStack() as stack:
        stack.enter_context(spans_to(settings, core.recorder))
        web = stack.enter_context(contextlib.closing(bind(control.host, control.port)))
        operator = stack.enter_context(contextlib.closing(bind_operator_socket(operator_socket(settings))))
        listener = Listener(core.pipeline, _options(settings, web))
        connection_gauges(listener.shares, metrics)
        origin = settings.control.public_url or f"http://{_at(web.getsockname())}"
        running: list[Running] = []

        def addresses() -> Mapping[str, str]:
            told = running[0]
            return {
                "proxy": told.proxy,
                "gateway": told.gateway,
                "proxy_tls": told.proxy_tls,
                "gateway_tls": told.gateway_tls,
                "local": told.local,
                "console": told.console,
                "bundle": str(told.bundle),
            }

        application = control_application(core, (origin,), addresses, metrics)
        await _start(listener)
        try:
            running.append(_running(core, listener, origin))
            await _record(core, "proxy.started", running[0])
            async with web_servers(application, web, operator):
                try:
                    yield running[0]
                finally:
                    core.signals.leave()
        finally:
            await listener.stop(DRAIN_SECONDS)
            if running:
                await _record(core, "proxy.stopped", running[0])


async def _start(listener: Listener) -> None:
    try:
        await listener.start()
    except OSError as error:
        why = str(error.strerror or error).lower()
        if (taken := _TAKEN.search(why)) is not None:
            why = f"{taken['host']}:{taken['port']}: {taken['why']}"
        raise CountersignError(f"cannot listen for agents: {why}; choose another address in `listen`") from error


async def _record(core: Core, kind: str, running: Running) -> None:
    what = f"mode {running.mode}, policies {running.policy_version}, inventory {running.inventory_version}"
    try:
        await core.recorder.append({"type": kind, "at": core.clock(), "change": {"what": what[:1000]}})
    except AuditUnavailable as error:
        raise CountersignError(f"{kind} cannot be recorded: {error}") from error


def _running(core: Core, listener: Listener, origin: str) -> Running:
    settings, world = core.settings, core.keeper.world
    bundle = settings.state / "ca" / "bundle.pem"
    Authority.at(settings.state / "ca", core.clock()).write_bundle(bundle)
    return Running(
        proxy=_at(listener.proxy_address),
        gateway=_at(listener.gateway_address) if listener.gateway_address else "",
        proxy_tls=_at(listener.proxy_tls_address) if listener.proxy_tls_address else "",
        gateway_tls=_at(listener.gateway_tls_address) if listener.gateway_tls_address else "",
        local=str(listener.local or ""),
        console=origin,
        bundle=bundle,
        mode=settings.mode.value,
        policy_version=world.version,
        inventory_version=world.inventory.version,
        audit_directory=settings.state / "audit",
        audit_size=core.recorder.size,
        unsafe=unsafe_here(settings, world.inventory),
        missing=missing_here(world.inventory),
    )


def _options(settings: Settings, web: socket.socket) -> ListenerOptions:
    listen, limits = settings.listen, settings.limits
    return ListenerOptions(
        ca_directory=settings.state / "ca",
        proxy_host=listen.proxy.host,
        proxy_port=listen.proxy.port,
        gateway_host=listen.gateway.host if listen.gateway else "127.0.0.1",
        gateway_port=listen.gateway.port if listen.gateway else None,
        proxy_tls=_host_and_port(listen.proxy_tls),
        gateway_tls=_host_and_port(listen.gateway_tls),
        tls_names=listen.tls_names,
        tls_files=(listen.certificate_file, listen.key_file) if listen.certificate_file and listen.key_file else None,
        local=listen.local,
        http2=listen.http2,
        forbidden_ports=(web.getsockname()[1],),
        upstream_ca_bundle=settings.trusted_roots,
        max_connections=limits.connections,
        max_header_bytes=limits.header_bytes,
        max_header_count=limits.header_count,
        max_body_bytes=limits.body_bytes,
        max_websocket_message_bytes=limits.websocket_message_bytes,
        idle_timeout=limits.idle_seconds,
        connect_timeout=limits.connect_seconds,
        answer_timeout=limits.answer_seconds,
        silence_timeout=limits.silence_seconds,
    )


def _host_and_port(address: Address | None) -> tuple[str, int] | None:
    return (address.host, address.port) if address is not None else None


def _at(address: tuple[str, int]) -> str:
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
