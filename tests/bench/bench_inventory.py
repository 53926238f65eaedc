"""What a call costs with a large inventory: 1 agent and 10 live handles, against 1,000 agents and 10,000 handles.

    uv run python -m tests.bench.bench_inventory [--calls 3000] [--rounds 5] [--seconds 2] [--agents 1000]

Both houses are measured in turns, in one run. First the path of a call alone, in this process: on connections that are
bound already, one for each handle, and on new ones, each with the next handle, so that every call of the large house
is of another agent than the one before. Then `countersign serve` itself over TLS, with processor time of its process
for each request. Then the time until an edit of the inventory is in force, and the longest that the event loop stood
still meanwhile; memory; and the start.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import random
import secrets
import sqlite3
import ssl
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

from proxy.app.core import Core, open_core
from proxy.demo.certificates import make_server_files
from proxy.identity.handles import PREFIX, digest_of
from proxy.identity.interfaces import HandleRow
from proxy.settings import load_settings
from proxy.stages import Answered, Arrived, Evidence, Released, Request
from proxy.storage.sqlite import SqliteStore
from telemetry.ids import new_id
from tests.bench.bench_throughput import pin, upstream
from tests.bench.governed import SECRET, Governed, start_governed, write_configuration
from tests.bench.load import HOST, Tally, Way, ask, open_connection

TARGET = 1.1
SHOWN = 200
OWN, OTHER = {min(os.sched_getaffinity(0))}, {max(os.sched_getaffinity(0))}
AGENT = """\
  - id: bench-{number}
    owner: olivia
    purpose: be one of many
    expires: 2099-01-01
    review_due: 2099-01-01
    identities: [{{issuer: "https://idp.example", subject: bench-{number}}}]
"""


@dataclass(slots=True)
class House:
    """A configuration with so many agents and handles, and what was measured of it."""

    name: str
    config: Path
    handles: list[tuple[str, str]]
    seconds: dict[str, list[float]] = field(default_factory=dict)
    processor: dict[str, list[float]] = field(default_factory=dict)
    next: Iterator[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self.next = itertools.cycle(self.handles)

    def add(self, what: str, seconds: float) -> None:
        self.seconds.setdefault(what, []).append(seconds)

    def median(self, what: str) -> float:
        return statistics.median(self.seconds[what])


def main() -> None:
    """Measure, and print one row for each kind of call."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000, help="calls of each kind and house in this process")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--agents", type=int, default=1000)
    options = parser.parse_args()
    os.environ["BENCH_SECRET"] = SECRET
    marker = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, marker))
        sizes = {"small": 1, "large": options.agents}
        houses = [furnish(directory / name, name, count, files.root, port) for name, count in sizes.items()]
        asyncio.run(in_process(houses, options.calls, port))
        report(houses, ["bound connection", "new connection"], "the path of a call, in this process")
        served = [stack.enter_context(serve(house, directory, files.root, port)) for house in houses]
        asyncio.run(over_the_wire(list(zip(houses, served, strict=True)), port, marker, options))
        report(houses, ["kept connection", "fresh connection"], "over TLS, everything on")
        for house, running in zip(houses, served, strict=True):
            print(f"{house.name:6} start {house.median('start'):5.2f} s, memory {memory(running.process.pid):5.0f} MiB")
    for house in houses:
        print(f"{house.name:6} the first call of a handle: p50 {house.median('first call') * 1000:.2f} ms")
        print(
            f"{house.name:6} an edit is in force after {house.median('edit'):5.2f} s (0.2 s of it to "
            f"be seen and to settle); the loop stood still for {max(house.seconds['stall']) * 1000:4.0f} ms at most"
        )
    print(f"must reach: large / small <= {TARGET} x")


# --- what is measured -----------------------------------------------------------------------------


def furnish(directory: Path, name: str, agents: int, root: Path, port: int) -> House:
    """The bench's configuration with so many agents, each with ten handles that live for hours."""
    config = write_configuration(directory, root, port, policies=100)
    extra = "".join(AGENT.format(number=number) for number in range(1, agents))
    if extra:
        (directory / "inventory" / "many.yaml").write_text("agents:\n" + extra)
    names = ["bench", *(f"bench-{number}" for number in range(1, agents))]
    database = load_settings(config).state / "countersign.db"
    database.parent.mkdir(mode=0o700, exist_ok=True)
    SqliteStore.open(database).close()
    handles = [(agent, PREFIX + secrets.token_urlsafe(32)) for _ in range(10) for agent in names]
    now = time.time()
    rows = [
        astuple(
            HandleRow(
                new_id("hnd"), digest_of(handle), agent, new_id("task"), "bench", "alice", now, now + 28_800, "bench"
            )
        )
        for agent, handle in handles
    ]
    columns = [one.name for one in fields(HandleRow)]
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            f"INSERT INTO handles ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", rows
        )
    return House(name, config, handles)


async def in_process(houses: list[House], calls: int, port: int) -> None:
    """The pipeline of each house, in turns; then an edit of each inventory."""
    async with contextlib.AsyncExitStack() as stack:
        cores = [await stack.enter_async_context(open_core(load_settings(house.config))) for house in houses]
        both = list(zip(houses, cores, strict=True))
        for house, core in both:
            for number in range(len(house.handles)):
                await bind(core, f"kept_{number}", next(house.next)[1], port)
                house.add("first call", (await admit(core, f"kept_{number}", None, port))[0])
        for turn in range(calls + 50):
            for house, core in both:
                kept = await admit(core, f"kept_{turn % len(house.handles)}", None, port)
                new = await admit(core, new_id("conn"), next(house.next)[1], port)
                for what, (took, spent) in (("bound connection", kept), ("new connection", new)):
                    if turn >= 50:
                        house.add(what, took)
                        house.processor.setdefault(what, []).append(spent)
        for house, core in both:
            for number in range(3):
                await edit(house, core, number)


async def bind(core: Core, connection: str, handle: str, port: int) -> None:
    reply = await core.pipeline.admit_tunnel(connection, Evidence("127.0.0.1", (("basic", handle),)), HOST, port)
    if reply is not None:
        raise SystemExit(f"a handle is refused: {reply}")


async def admit(core: Core, connection: str, handle: str | None, port: int) -> tuple[float, float]:
    """Seconds of one call from its arrival to its release, the durable record included; and of this thread's work."""
    authority = f"{HOST}:{port}"
    request = Request("GET", "https", HOST, port, "/v1/customers/c-7", "", (("host", authority),), b"")
    arrived = Arrived(new_id("call"), time.time(), connection, "connect", "127.0.0.1", request)
    began, worked = time.perf_counter(), time.thread_time()
    if handle is not None:
        await bind(core, connection, handle, port)
    released = await core.pipeline.admit_call(arrived, None)
    took = time.perf_counter() - began, time.thread_time() - worked
    if not isinstance(released, Released):
        raise SystemExit(f"a call is refused: {released.body[:300]!r}")
    now = time.time()
    core.pipeline.answered(Answered(released, 200, 17, now, now))
    if handle is not None:
        core.pipeline.closed(connection)
    return took


async def edit(house: House, core: Core, number: int) -> None:
    """One agent's purpose is changed: how long until that is in force, and how long nothing else went on."""
    file = house.config.parent / "inventory" / "all.yaml"
    before, longest = core.inventory().version, 0.0
    file.write_text(file.read_text().replace("purpose: be measured", f"purpose: be measured {number}", 1))
    began = last = time.perf_counter()
    while core.inventory().version == before:
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last - 0.001), now
    house.add("edit", last - began)
    house.add("stall", longest)


# --- over the wire --------------------------------------------------------------------------------


@contextlib.contextmanager
def serve(house: House, directory: Path, root: Path, port: int) -> Iterator[Governed]:
    """`countersign serve` of this house, alone on the other core."""
    with start_governed(directory / house.name, root, port, made=house.config) as running:
        house.add("start", running.started_in)
        pin(running.process.pid, OTHER)
        yield running


async def over_the_wire(
    both: list[tuple[House, Governed]], port: int, marker: str, options: argparse.Namespace
) -> None:
    """In turns: requests on open connections, each of another handle; and connections for one request each.

    Of the large house's handles so many take part as can be shown once before: what is compared is not a first time.
    """
    os.sched_setaffinity(0, OWN)
    for house, running in both:
        known = random.sample(house.handles, min(len(house.handles), SHOWN))
        house.next = itertools.cycle(known)
        trust = ssl.create_default_context(cafile=running.bundle)
        for agent, handle in known:
            way = Way(running.port, port, running.bundle, "Countersign", handle, agent=agent)
            reader, writer = await open_connection(way, trust)
            await ask(reader, writer, way, marker, Tally())
            writer.transport.abort()
    for _ in range(options.rounds):
        for what, load in (("kept connection", _kept), ("fresh connection", _fresh)):
            for house, running in both:
                trust = ssl.create_default_context(cafile=running.bundle)

                def make(house: House = house, running: Governed = running) -> Way:
                    agent, handle = next(house.next)
                    return Way(running.port, port, running.bundle, "Countersign", handle, agent=agent)

                tally, before = Tally(), processor(running.process.pid)
                await load(make, trust, marker, tally, options.seconds)
                if tally.wrong:
                    raise SystemExit(f"{house.name}: a wrong answer: {tally.wrong[0]}")
                spent = (processor(running.process.pid) - before) / len(tally.seconds)
                house.processor.setdefault(what, []).append(spent)
                house.seconds.setdefault(what, []).extend(tally.seconds)


type MakeWay = Callable[[], Way]
type Load = Callable[[MakeWay, ssl.SSLContext, str, Tally, float], Awaitable[None]]


async def _kept(make: MakeWay, trust: ssl.SSLContext, marker: str, tally: Tally, seconds: float) -> None:
    ways = [make() for _ in range(16)]
    opened = [(*await open_connection(way, trust), way) for way in ways]
    end = time.perf_counter() + seconds

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        while time.perf_counter() < end:
            await ask(reader, writer, way, marker, tally)
        writer.transport.abort()

    await asyncio.gather(*(client(*one) for one in opened))


async def _fresh(make: MakeWay, trust: ssl.SSLContext, marker: str, tally: Tally, seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        way, began, one = make(), time.perf_counter(), Tally()
        reader, writer = await open_connection(way, trust)
        await ask(reader, writer, way, marker, one)
        tally.seconds.append(time.perf_counter() - began)
        tally.wrong.extend(one.wrong)
        writer.transport.abort()


def processor(pid: int) -> float:
    """Seconds of processor time that this process has used."""
    cells = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """MiB that this process holds."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def report(houses: list[House], kinds: list[str], title: str) -> None:
    """p50 and p99 of each house, and the ratios."""
    print(title)
    small, large = houses
    for kind in kinds:
        for house in houses:
            times = sorted(house.seconds[kind])
            p50, p99 = (times[min(len(times) * percent // 100, len(times) - 1)] * 1000 for percent in (50, 99))
            spent = house.processor.get(kind)
            processor_time = f", processor {statistics.median(spent) * 1000:5.3f} ms" if spent else ""
            print(f"  {kind:16} {house.name:6} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms{processor_time}  ({len(times)})")
        ratio = f"large / small: p50 {large.median(kind) / small.median(kind):.2f} x"
        if large.processor.get(kind):
            more = statistics.median(large.processor[kind]) / statistics.median(small.processor[kind])
            ratio += f", processor {more:.2f} x"
        print(f"  {kind:16} {ratio}; target <= {TARGET} x")


if __name__ == "__main__":
    main()
