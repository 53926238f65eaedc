"""What a call costs in time when nothing else happens: direct, through mitmproxy, and governed.

    uv run python -m tests.bench.bench_latency [--fresh 60] [--kept 600] [--upstream plain|two-writes]

`fresh` is one CONNECT, one TLS handshake with the proxy, one with the upstream, and one GET. `kept` is a GET on a
connection that is open all the way, one at a time. `two-writes` is an upstream of the careless kind, which sends an
answer's head and body in two segments and leaves Nagle's algorithm on: whoever delays their acknowledgement then
waits 40 ms. All ways are taken in turns, so that a noisy machine disturbs them alike.
"""

import argparse
import asyncio
import contextlib
import secrets
import ssl
import tempfile
import time
from pathlib import Path

from proxy.demo.certificates import make_server_files
from tests.bench.bench_throughput import mitmproxies, upstream
from tests.bench.governed import start_governed
from tests.bench.load import HOST, Tally, Way, ask, open_connection, open_directly

type Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    """Measure, and print one row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fresh", type=int, default=60, help="fresh connections of each way")
    parser.add_argument("--kept", type=int, default=600, help="requests on an open connection of each way")
    parser.add_argument("--upstream", choices=["plain", "two-writes"], default="plain")
    options = parser.parse_args()
    marker = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, marker, options.upstream))
        house = stack.enter_context(start_governed(directory / "own", files.root, port))
        ways = {"direct": Way(port, port, str(files.root), "")}
        for contender in mitmproxies(directory, files, port):
            stack.callback(contender.process.kill)
            ways[contender.name] = contender.way
        ways["countersign"] = Way(house.port, port, house.bundle, "Countersign", house.handle)
        fresh, kept = asyncio.run(measure(ways, marker, options.fresh, options.kept))
    print(f"{'':20} {'fresh p50':>10} {'p90':>8} {'kept p50':>10} {'p99':>8}   milliseconds")
    for name in ways:
        cells = (at(fresh[name], 50), at(fresh[name], 90), at(kept[name], 50), at(kept[name], 99))
        print(f"{name:20} {cells[0]:10.2f} {cells[1]:8.2f} {cells[2]:10.2f} {cells[3]:8.2f}")
    other, own = "minimal mitmproxy", "countersign"
    ratio = at(fresh[own], 50) / at(fresh[other], 50)
    added = at(kept[own], 50) - at(kept[other], 50)
    print(f"{own} / {other}: fresh {ratio:.2f} x the time; target <= 1.0 x")
    print(f"{own} - {other}: kept {added:+.2f} ms; target <= +2 ms, which is the durable record")


async def measure(
    ways: dict[str, Way], marker: str, fresh: int, kept: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds of each fresh call, and of each call on an open connection, by way."""
    first: dict[str, list[float]] = {name: [] for name in ways}
    trust = {name: ssl.create_default_context(cafile=way.roots) for name, way in ways.items()}
    for turn in range(fresh + 3):
        for name, way in ways.items():
            began = time.perf_counter()
            opened = await connect(way, trust[name])
            await checked(opened, way, marker)
            if turn >= 3:
                first[name].append(time.perf_counter() - began)
            opened[1].transport.abort()
    later: dict[str, list[float]] = {name: [] for name in ways}
    open_ways = {name: await connect(way, trust[name]) for name, way in ways.items()}
    for turn in range(kept + 20):
        for name, way in ways.items():
            took = await checked(open_ways[name], way, marker)
            if turn >= 20:
                later[name].append(took)
    for _, writer in open_ways.values():
        writer.transport.abort()
    return first, later


async def connect(way: Way, trust: ssl.SSLContext) -> Opened:
    """A connection to the upstream this way."""
    return await (open_directly(way, trust) if way.port == way.upstream else open_connection(way, trust))


async def checked(opened: Opened, way: Way, marker: str) -> float:
    """Seconds of one request, whose answer must be the upstream's."""
    tally = Tally()
    await ask(*opened, way, marker, tally)
    if tally.wrong:
        raise SystemExit(f"a wrong answer: {tally.wrong[0]}")
    return tally.seconds[0]


def at(seconds: list[float], percent: int) -> float:
    """This percentile, in milliseconds."""
    return sorted(seconds)[min(len(seconds) * percent // 100, len(seconds) - 1)] * 1000


if __name__ == "__main__":
    main()
