"""The control API without a server: over the state itself, which is ours alone meanwhile."""

import contextlib
import os
from collections.abc import AsyncIterator

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from proxy.app.control import control_application
from proxy.app.core import open_core
from proxy.control.guard import PEER, Peer
from proxy.settings import Settings
from telemetry.metrics import Metrics


@contextlib.asynccontextmanager
async def offline_control(settings: Settings) -> AsyncIterator[httpx.ASGITransport]:
    """A transport to the control API as the local operator; refuses if another process has the state."""
    async with open_core(settings) as core:
        application = control_application(core, (), dict, Metrics())
        yield httpx.ASGITransport(_as_operator(application))


def _as_operator(application: ASGIApp) -> ASGIApp:
    """Who may open the state directory and lock it is the operator: the same proof as the socket's."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        peer = Peer(uid=os.getuid(), pid=os.getpid())
        await application({**scope, "state": {PEER: peer}}, receive, send)

    return wrapped
