"""A real serve in this process with things going on: a stream, a WebSocket, an idle tunnel, a call that waits."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import websockets

from proxy.app.core import Core, open_core
from proxy.app.local import open_control
from proxy.app.serve import Running, serving
from tests.fakes.serving import configured, on_loopback
from tests.fakes.upstream import Seen, upstream
from tests.fakes.waiting import own_time

PATIENCE = 120.0  # for what never comes: on a busy machine a few seconds of our own time are many of others
EVENTS = "      - {name: events, effect: read, route: {method: GET, path: /v1/events}}\n"
CHAT = """\
  - id: chat
    owner: bob
    url: http://127.0.0.1:PORT
    allow_private_addresses: true
    allow_websocket: true
    tools: [{name: talk, effect: read, route: {method: GET, path: /chat}}]
datasets:
"""


async def turns() -> None:
    """Lets every other coroutine, and a thread, go on for a moment."""
    await asyncio.to_thread(lambda: None)


@dataclass
class Going:
    """One thing that goes on: `last` is when something last came, `cut` when it was over (`own_time`)."""

    task: asyncio.Task[None]
    begun: asyncio.Event
    last: float = 0.0
    cut: float = 0.0


@dataclass
class Open:
    """What is open for one agent. `streams` write as fast as the loop goes; what is silent sends nothing."""

    stream: Going
    silent_stream: Going
    chat: Going
    silent_chat: Going
    tunnel: Going

    @property
    def calls(self) -> list[Going]:
        return [self.stream, self.silent_stream, self.chat, self.silent_chat]

    @property
    def all(self) -> list[Going]:
        return [*self.calls, self.tunnel]


@dataclass
class EndingHouse:
    """`said` is what the chat's own side heard after `stop_hearing`."""

    core: Core
    running: Running
    control: httpx.AsyncClient
    crm: int
    chat: int
    folder: Path
    heard: list[float] = field(default_factory=list)

    async def handle(self, agent: str = "support-bot", **more: Any) -> str:
        answer = await self.control.post("/v1/handles", json={"agent": agent, "on_behalf_of": "alice", **more})
        return str(answer.json()["handle"])

    def proxy(self, handle: str) -> str:
        return f"http://agent:{handle}@{self.running.proxy}"

    def client(self, handle: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(proxy=self.proxy(handle), trust_env=False, timeout=PATIENCE)

    async def call(self, handle: str, path: str = "/v1/customers/c-7") -> tuple[int, str]:
        """Status and reason of a call on a connection of its own."""
        async with self.client(handle) as client:
            answer = await client.get(f"http://127.0.0.1:{self.crm}{path}")
        return answer.status_code, "" if answer.is_success else answer.json()["reason"]

    async def refund(self, handle: str) -> dict[str, Any]:
        """A refund that policy holds: the problem document, or nothing if it passed."""
        async with self.client(handle) as client:
            body = {"customer": "c-7", "amount": 45_000}
            answer = await client.post(f"http://127.0.0.1:{self.crm}/v1/refunds", json=body)
        return {} if answer.is_success else answer.json()

    async def open(self, handle: str) -> Open:
        """All of it, flowing."""
        made = Open(
            self._going(lambda going: self._stream(going, handle, "/v1/events")),
            self._going(lambda going: self._stream(going, handle, "/v1/events?silent=yes")),
            self._going(lambda going: self._talk(going, handle, silent=False)),
            self._going(lambda going: self._talk(going, handle, silent=True)),
            self._going(lambda going: self._tunnel(going, handle)),
        )
        async with asyncio.timeout(PATIENCE):
            for going in made.all:
                await going.begun.wait()
        return made

    async def over(self, *goings: Going) -> float:
        """When the last of these was cut."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(going.task for going in goings))
        return max(going.cut for going in goings)

    def _going(self, what: Callable[[Going], Any]) -> Going:
        async def run() -> None:
            with contextlib.suppress(httpx.HTTPError, websockets.ConnectionClosed, OSError):
                await what(going)
            going.cut = own_time()

        going = Going(asyncio.create_task(asyncio.sleep(0)), asyncio.Event())
        going.task = asyncio.create_task(run())
        return going

    async def _stream(self, going: Going, handle: str, path: str) -> None:
        url = f"http://127.0.0.1:{self.crm}{path}"
        async with self.client(handle) as client, client.stream("GET", url) as answer:
            assert answer.is_success, await answer.aread()
            async for _ in answer.aiter_raw():
                going.last = own_time()
                going.begun.set()

    async def _talk(self, going: Going, handle: str, *, silent: bool) -> None:
        url = f"ws://127.0.0.1:{self.chat}/chat"
        async with websockets.connect(url, proxy=self.proxy(handle), ping_interval=None) as socket:
            await socket.send("hello")
            async for _ in socket:
                going.last = own_time()
                going.begun.set()
                if not silent:
                    await socket.send("again")

    async def _tunnel(self, going: Going, handle: str) -> None:
        """A tunnel through which one call has gone, and nothing since."""
        host, _, port = self.running.proxy.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        proof = base64.b64encode(f"agent:{handle}".encode()).decode()
        place = f"127.0.0.1:{self.crm}"
        writer.write(
            f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic {proof}\r\n\r\n".encode()
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.write(f"GET /v1/customers/c-7 HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
        going.last = own_time()
        going.begun.set()
        await reader.read()
        writer.close()


async def crm(seen: Seen, writer: asyncio.StreamWriter) -> bool | None:
    """Customers, and events: as many as the loop can carry, or one and then silence."""
    if "/v1/events" not in seen.first_line:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        return None
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 0\n\n")
    await writer.drain()
    if "silent" in seen.first_line:
        await seen.reader.read()
        return False
    while not writer.is_closing():
        writer.write(b"data: 1\n\n")
        await writer.drain()
        await turns()
    return False


def own_clock() -> Callable[[], float]:
    """UNIX seconds, from now on as `own_time` goes."""
    zero = time.time() - own_time()
    return lambda: zero + own_time()


@contextlib.asynccontextmanager
async def ending_house(
    folder: Path, clock: Callable[[], float] | None = None, edit: Callable[[str], str] = str, more: str = ""
) -> AsyncIterator[EndingHouse]:
    """Everything real but the two services behind it, which are in this process too. Its clock is its own time, unless
    another is given: word of revocations is not late because the machine lets others go first.

    `edit` changes the inventory, `more` are further lines of the settings.
    """
    heard: list[float] = []

    async def echo(socket: websockets.ServerConnection) -> None:
        async for message in socket:
            heard.append(own_time())
            await turns()
            await socket.send(message)

    async with upstream(crm) as there, websockets.serve(echo, "127.0.0.1", 0, ping_interval=None) as talking:
        chat = next(iter(talking.sockets)).getsockname()[1]
        inventory = on_loopback(there.port).replace("datasets:\n", CHAT.replace("PORT", str(chat)))
        inventory = inventory.replace("      - name: create_refund\n", f"{EVENTS}      - name: create_refund\n")
        settings = configured(folder, inventory=edit(inventory), more=more)
        async with (
            open_core(settings, clock or own_clock()) as core,
            serving(core) as running,
            open_control(settings, running=True) as control,
        ):
            yield EndingHouse(core, running, control, there.port, chat, folder, heard)
