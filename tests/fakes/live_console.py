"""A console house that serves a real browser."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvicorn

from proxy.holds.view import HoldView
from tests.fakes.console_house import ConsoleHouse

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-dev-shm-usage",  # in a container there may be too little of it
]  # fmt: skip
PATIENCE = 60_000


class Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Live:
    """A console house that serves on a free port from a thread of its own."""

    def __init__(self, folder: Path, *, responders: frozenset[str] = frozenset()) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{sock.getsockname()[1]}"
        self.house = ConsoleHouse(folder, origins=(self.origin,), responders=responders)
        self.house.now = time.time()
        self._loop = asyncio.new_event_loop()
        config = uvicorn.Config(
            self.house.app, ws="none", lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = Server(config)
        self._thread = threading.Thread(target=self._run, args=(sock,), daemon=True)
        self._thread.start()

    def _run(self, sock: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve(sockets=[sock]))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def do[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Runs this in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE / 1000)

    def vote(self, view: HoldView, person: str, decision: Any, reason: str = "") -> None:
        now = self.do(self.house.holds.get(view.id))
        self.do(
            self.house.holds.vote(
                view.id,
                person,
                decision,
                reason=reason,
                row_version=now.row_version,
                action_digest=now.action_digest,
                channel="api",
                assurance="token",
                now=self.house.now,
            )
        )

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.house.close()
