"""How long a revocation takes to end everything: from the command to the last byte that still gets through.

    uv run python -m tests.bench.bench_revocation [--streams 50] [--runs 15]

In each run an agent has so many streams open, on each of which something comes every 20 ms, and one connection on
which it calls again and again. Then `POST /v1/revocations` ends the agent. Measured, each from the moment that this
command is sent: its own answer, the last byte of any stream, the cut of the last connection, and the last call that
was still answered. Afterwards the revocation is lifted for the next run.
"""

import argparse
import asyncio
import contextlib
import secrets
import ssl
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from proxy.cli import api
from proxy.demo.certificates import make_server_files
from tests.bench.bench_latency import Opened, at
from tests.bench.bench_throughput import upstream
from tests.bench.governed import start_governed
from tests.bench.load import HOST, Tally, Way, ask, open_connection, request

TARGET = 1000.0
SCOPE = "agent:bench"


@dataclass(slots=True)
class Run:
    """Seconds from the command: to its answer, the last byte, the last cut, and the last call that passed."""

    answered: float
    last_byte: float
    last_cut: float
    last_call: float


def main() -> None:
    """Measure, and print a row for each moment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--runs", type=int, default=15, help="200 for a p99 worth the name; each takes 2 to 5 seconds")
    options = parser.parse_args()
    marker = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, marker))
        house = stack.enter_context(start_governed(directory / "own", files.root, port))
        way = Way(house.port, port, house.bundle, "Countersign", house.handle)
        runs = asyncio.run(measure(way, marker, house.config, options.streams, options.runs))
    print(f"{options.streams} streams, {options.runs} runs; milliseconds from the command")
    for title, name in (
        ("the command is answered", "answered"),
        ("the last call passes", "last_call"),
        ("the last byte of a stream", "last_byte"),
        ("the last connection is cut", "last_cut"),
    ):
        times = [getattr(run, name) for run in runs]
        print(f"{title:28} p50 {at(times, 50):7.1f}   p99 {at(times, 99):7.1f}   worst {max(times) * 1000:7.1f}")
    print(f"target: p99 <= {TARGET:.0f} ms to the last byte, streams and calls")


async def measure(way: Way, marker: str, config: Path, streams: int, count: int) -> list[Run]:
    """So many runs, one after the other, on one proxy."""
    trust = ssl.create_default_context(cafile=way.roots)
    async with api.control(config, running=True) as client:
        runs = []
        for _ in range(count):
            opened = [await open_connection(way, trust) for _ in range(streams + 1)]
            runs.append(await run_once(opened, way, marker, client))
            await api.request(client, "DELETE", f"/v1/revocations?scope={SCOPE}", {"reason": "the next run"})
        return runs


async def run_once(opened: list[Opened], way: Way, marker: str, client: httpx.AsyncClient) -> Run:
    """One revocation, while everything is going on."""
    caller, *listeners = opened
    flowing = asyncio.Semaphore(0)
    watches = [asyncio.create_task(watch(stream, way, flowing)) for stream in listeners]
    calling = asyncio.create_task(call_on(caller, way, marker))
    for _ in listeners:
        await flowing.acquire()
    began = time.perf_counter()
    await api.request(client, "POST", "/v1/revocations", {"scope": SCOPE, "reason": "measured"})
    answered = time.perf_counter()
    async with asyncio.timeout(30):
        ends = await asyncio.gather(*watches)
        last_call = await calling
    for _, writer in opened:
        writer.transport.abort()
    last_byte, last_cut = max(last for last, _ in ends), max(cut for _, cut in ends)
    return Run(answered - began, max(last_byte - began, 0), last_cut - began, max(last_call - began, 0))


async def watch(stream: Opened, way: Way, flowing: asyncio.Semaphore) -> tuple[float, float]:
    """When its last byte came, and when it was cut."""
    reader, writer = stream
    writer.write(request(replace(way, path="/v1/events")))
    await reader.readuntil(b"data: ")
    flowing.release()
    last = time.perf_counter()
    with contextlib.suppress(OSError, ssl.SSLError):
        while await reader.read(65536):
            last = time.perf_counter()
    return last, time.perf_counter()


async def call_on(connection: Opened, way: Way, marker: str) -> float:
    """When the last call that passed was answered."""
    last = time.perf_counter()
    with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
        while True:
            tally = Tally()
            await ask(*connection, way, marker, tally)
            if tally.wrong:
                break
            last = time.perf_counter()
            await asyncio.sleep(0.01)
    return last


if __name__ == "__main__":
    main()
