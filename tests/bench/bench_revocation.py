"""How long an end takes to end everything: from the command to the last byte that still gets through.

    uv run python -m tests.bench.bench_revocation [--streams 50] [--runs 15] [--traffic 20] [--end agent]
    uv run python -m tests.bench.bench_revocation --end owner person scim [--agents 1000]

In each run an agent has so many things open: two fifths are SSE streams and two fifths WebSockets, on each of which
something comes every 20 ms, and one fifth are tunnels through which a call has gone and which are idle. On one more
connection it calls again and again, and another agent makes `--traffic` calls a second. Then the agent is ended, by
`POST /v1/revocations` over the operator's socket (`agent`), or by typing `countersign revoke` (`command`); or one of
its tools is (`tool`); or its owner leaves: by an edit of the inventory's file (`owner`), by the operator (`person`), by
the identity provider (`scim`).
Several `--end` take turns on one proxy. Measured, each from the moment that this is begun: its own answer, the last
byte that any client saw, the cut of the last connection, and the last call that was still answered. Afterwards it is
taken back for the next run. `--agents` are so many more in the inventory.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import websockets

from proxy.cli import api
from proxy.demo.certificates import make_server_files
from tests.bench.bench_latency import Opened, at
from tests.bench.bench_startup import environment
from tests.bench.bench_throughput import upstream
from tests.bench.governed import Governed, ask, start_governed
from tests.bench.load import HOST, Tally, Way, open_connection, request
from tests.bench.load import ask as call

TARGET = 1000.0
PATIENCE = 60.0
SCOPES = {"agent": "agent:bench", "command": "agent:bench", "tool": "tool:crm/events"}
ENDS = ["agent", "command", "tool", "owner", "person", "scim"]
INVENTORY = """\
agents:
  - {{id: other, owner: alice, purpose: other traffic, expires: {expires}, review_due: {expires}}}
services:
  - id: chat
    owner: alice
    url: http://127.0.0.1:{chat}
    allow_private_addresses: true
    allow_websocket: true
    tools: [{{name: talk, effect: read, route: {{method: GET, path: /chat}}}}]
"""
POLICIES = '@id("chat")\npermit (principal, action == Action::"chat/talk", resource);\n'
ANOTHER = "  - {{id: a{number}, owner: alice, purpose: be many, expires: {expires}, review_due: {expires}}}\n"
SCIM = "control: {scim_token: env:BENCH_SCIM}\n"
OWNER = "{id: olivia, name: Olivia}"
LEFT = "{id: olivia, name: Olivia, active: false}"


@dataclass(slots=True)
class Run:
    """Seconds from the command: to its answer, the last byte, the last cut, and the last call that passed."""

    end: str
    answered: float
    last_byte: float
    last_cut: float
    last_call: float


class Disturbed(Exception):
    """Before the end was given, something was cut: a proxy that could not hear for a second lets nothing pass."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is. `traffic` is how many calls a second another agent makes meanwhile."""

    house: Governed
    way: Way
    other: Way
    chat: int
    marker: str
    streams: int
    ends: tuple[str, ...]
    traffic: float
    agents: int

    @property
    def inventory(self) -> Path:
        return self.house.config.parent / "inventory" / "all.yaml"


def main() -> None:
    """Measure, and print a row for each moment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--runs", type=int, default=15, help="200 for a p99 worth the name; each takes 2 to 5 seconds")
    parser.add_argument("--traffic", type=float, default=0.0, help="calls a second by another agent meanwhile")
    parser.add_argument("--end", nargs="+", choices=ENDS, default=["agent"])
    parser.add_argument("--agents", type=int, default=0, help="so many more in the inventory")
    options = parser.parse_args()
    marker = secrets.token_hex(8)
    os.environ["BENCH_SCIM"] = secrets.token_hex(16)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, marker))
        chat = stack.enter_context(chatter())
        expires = datetime.now(UTC).date() + timedelta(days=30)
        more = {
            "inventory/chat.yaml": INVENTORY.format(chat=chat, expires=expires),
            "policies/chat.cedar": POLICIES,
            "inventory/many.yaml": "agents:\n"
            + "".join(ANOTHER.format(number=number, expires=expires) for number in range(options.agents)),
        }
        house = stack.enter_context(start_governed(directory / "own", files.root, port, settings=SCIM, more=more))
        other = str(ask(house.config, "handle", "issue", "other", "--for", "alice")["handle"])
        way = Way(house.port, port, house.bundle, "Countersign", house.handle)
        place = Place(
            house,
            way,
            replace(way, handle=other),
            chat,
            marker,
            options.streams,
            tuple(options.end),
            options.traffic,
            options.agents,
        )
        runs = asyncio.run(measure(place, options.runs))
    for end in place.ends:
        report([run for run in runs if run.end == end], place, end)
    print(f"target: p99 <= {TARGET:.0f} ms to the last byte, streams and calls")


def report(runs: list[Run], place: Place, end: str) -> None:
    what = f"{place.streams} open by the agent, {place.traffic:g} other calls a second, ended by {end}"
    more = f", {place.agents} more agents" if place.agents else ""
    print(f"{what}{more}, {len(runs)} runs; milliseconds from the command")
    for title, name in (
        ("the command is answered", "answered"),
        ("the last call passes", "last_call"),
        ("the last byte of any client", "last_byte"),
        ("the last connection is cut", "last_cut"),
    ):
        times = [getattr(run, name) for run in runs]
        print(f"{title:28} p50 {at(times, 50):7.1f}   p99 {at(times, 99):7.1f}   worst {max(times) * 1000:7.1f}")


@contextlib.contextmanager
def chatter() -> Iterator[int]:
    """The port of the WebSocket service."""
    with subprocess.Popen([sys.executable, "-m", "tests.bench.chatter"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def measure(place: Place, count: int) -> list[Run]:
    """So many runs, one after the other, on one proxy."""
    trust = ssl.create_default_context(cafile=place.way.roots)
    async with api.control(place.house.config, running=True) as client, other_traffic(place, trust):
        runs: list[Run] = []
        while len(runs) < count * len(place.ends):
            end = place.ends[len(runs) % len(place.ends)]
            try:
                runs.append(await run_once(place, trust, client, end))
            except Disturbed:
                print("a run is repeated: not all of it was open at once", file=sys.stderr)
                continue
            await take_back(place, client, end)
            if len(runs) % 20 == 0:
                print(f"{len(runs)} of {count * len(place.ends)}", file=sys.stderr)
        return runs


@contextlib.asynccontextmanager
async def other_traffic(place: Place, trust: ssl.SSLContext) -> AsyncIterator[None]:
    """Calls of another agent, evenly, none of which may fail."""

    async def going() -> None:
        reader, writer = await open_connection(place.other, trust)
        tally = Tally()
        while True:
            await call(reader, writer, place.other, place.marker, tally)
            if tally.wrong:
                raise RuntimeError(f"a call of the other agent failed: {tally.wrong[0]}")
            await asyncio.sleep(1 / place.traffic)

    task = asyncio.create_task(going()) if place.traffic else None
    yield
    if task is not None:
        if task.done():
            task.result()
        task.cancel()


async def run_once(place: Place, trust: ssl.SSLContext, client: httpx.AsyncClient, by: str) -> Run:
    """One end, while everything is going on."""
    fifth = place.streams // 5
    opened = [await insist(place.way, trust) for _ in range(place.streams - 2 * fifth + 1)]
    caller, *listeners = opened
    flowing = asyncio.Semaphore(0)
    idle = listeners[:fifth] if by != "tool" else []
    watches = [asyncio.create_task(idle_tunnel(one, place, flowing)) for one in idle]
    watches += [asyncio.create_task(watch(one, place.way, flowing)) for one in listeners[fifth:]]
    if by != "tool":
        watches += [asyncio.create_task(talk(place, flowing)) for _ in range(2 * fifth)]
    try:
        async with asyncio.timeout(PATIENCE / 4):
            for _ in watches:
                await flowing.acquire()
    except TimeoutError:
        for task in watches:
            task.cancel()
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.gather(*watches, return_exceptions=True)
        raise Disturbed from None
    calling = asyncio.create_task(call_on(caller, place)) if by != "tool" else None
    began = time.perf_counter()
    await end(place, client, by)
    answered = time.perf_counter()
    async with asyncio.timeout(PATIENCE):
        ends = await asyncio.gather(*watches)
        last_call = await calling if calling is not None else began
    for _, writer in opened:
        writer.transport.abort()
    last_byte, last_cut = max(last for last, _ in ends), max(cut for _, cut in ends)
    return Run(by, answered - began, max(last_byte - began, 0), last_cut - began, max(last_call - began, 0))


async def insist(way: Way, trust: ssl.SSLContext) -> Opened:
    """A connection, after another try if a machine that is too busy has kept the proxy from hearing for a second."""
    try:
        return await open_connection(way, trust)
    except RuntimeError as refused:
        print(f"tried again: {refused}", file=sys.stderr)
        await asyncio.sleep(1)
        return await open_connection(way, trust)


async def end(place: Place, client: httpx.AsyncClient, by: str) -> None:
    match by:
        case "owner":
            place.inventory.write_text(place.inventory.read_text().replace(OWNER, LEFT))
        case "person":
            await api.request(client, "POST", "/v1/people/olivia/deactivate", {"reason": "measured"})
        case "scim":
            await by_scim(client, active=False)
        case "command":
            command = ["-m", "proxy.cli", "revoke", SCOPES[by], "--reason", "measured", "-c", str(place.house.config)]
            typed = await asyncio.create_subprocess_exec(
                sys.executable, *command, stdout=subprocess.DEVNULL, env=environment()
            )
            assert await typed.wait() == 0
        case _:
            await api.request(client, "POST", "/v1/revocations", {"scope": SCOPES[by], "reason": "measured"})


async def take_back(place: Place, client: httpx.AsyncClient, by: str) -> None:
    match by:
        case "owner":
            place.inventory.write_text(place.inventory.read_text().replace(LEFT, OWNER))
        case "person":
            await api.request(client, "POST", "/v1/people/olivia/activate", {"reason": "the next run"})
        case "scim":
            await by_scim(client, active=True)
        case _:
            await api.request(client, "DELETE", f"/v1/revocations?scope={SCOPES[by]}", {"reason": "the next run"})
    async with asyncio.timeout(PATIENCE):
        while (await api.request(client, "GET", "/v1/agents/bench"))["standing"]:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.1)


async def by_scim(client: httpx.AsyncClient, *, active: bool) -> None:
    """As the identity provider says it, over its own door."""
    console = (await api.request(client, "GET", "/v1/status"))["console"]
    headers = {"Authorization": f"Bearer {os.environ['BENCH_SCIM']}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE) as provider:
        answer = await provider.put(f"{console}/scim/v2/Users/olivia", json={"active": active})
        answer.raise_for_status()


async def watch(stream: Opened, way: Way, flowing: asyncio.Semaphore) -> tuple[float, float]:
    """When an SSE stream's last byte came, and when it was cut."""
    reader, writer = stream
    writer.write(request(replace(way, path="/v1/events")))
    await reader.readuntil(b"data: ")
    flowing.release()
    return await to_the_end(reader)


async def idle_tunnel(stream: Opened, place: Place, flowing: asyncio.Semaphore) -> tuple[float, float]:
    """The same of a tunnel in which one call was made, and nothing comes any more."""
    reader, writer = stream
    await call(reader, writer, place.way, place.marker, Tally())
    flowing.release()
    began = time.perf_counter()
    last, cut = await to_the_end(reader)
    return max(last, began), cut


async def to_the_end(reader: asyncio.StreamReader) -> tuple[float, float]:
    last = 0.0
    with contextlib.suppress(OSError, ssl.SSLError):
        while await reader.read(65536):
            last = time.perf_counter()
    return last, time.perf_counter()


async def talk(place: Place, flowing: asyncio.Semaphore) -> tuple[float, float]:
    """The same of a WebSocket, on which the agent talks too."""
    last = 0.0
    proxy = f"http://bench:{place.way.handle}@127.0.0.1:{place.way.port}"
    url = f"ws://127.0.0.1:{place.chat}/chat"
    async with websockets.connect(url, proxy=proxy, ping_interval=None, compression=None, open_timeout=PATIENCE) as one:
        await one.recv()
        flowing.release()
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await one.recv()
                last = time.perf_counter()
                await one.send("heard")
        return last, time.perf_counter()


async def call_on(connection: Opened, place: Place) -> float:
    """When the last call that passed was answered."""
    last = time.perf_counter()
    with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
        while True:
            tally = Tally()
            await call(*connection, place.way, place.marker, tally)
            if tally.wrong:
                break
            last = time.perf_counter()
            await asyncio.sleep(0.01)
    return last


if __name__ == "__main__":
    main()
