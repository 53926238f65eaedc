"""How long after the upstream has sent a piece of a stream the agent has it: through the proxy, and directly.

    uv run python -m tests.bench.bench_first_byte [--streams 40] [--events 20]

The upstream writes into each event when it sends it, by the clock that all processes of a machine share. The first
piece comes with the answer's head; the later ones show that no body is gathered before it is passed on.
"""

import argparse
import asyncio
import contextlib
import secrets
import ssl
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from proxy.demo.certificates import make_server_files
from tests.bench.bench_latency import Opened, at, connect
from tests.bench.bench_throughput import upstream
from tests.bench.governed import start_governed
from tests.bench.load import HOST, Way, request

TARGET = 5.0


def main() -> None:
    """Measure, and print one row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=40, help="streams of each way, one after the other")
    parser.add_argument("--events", type=int, default=20, help="pieces to read of each stream")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, secrets.token_hex(8)))
        house = stack.enter_context(start_governed(directory / "own", files.root, port))
        ways = {
            "direct": Way(port, port, str(files.root), ""),
            "countersign": Way(house.port, port, house.bundle, "Countersign", house.handle),
        }
        found = asyncio.run(measure(ways, options.streams, options.events))
    print(
        f"{'':14} {'first p50':>10} {'p99':>8} {'later p50':>10} {'p99':>8}   milliseconds after the upstream sent it"
    )
    for name, (first, later) in found.items():
        print(f"{name:14} {at(first, 50):10.2f} {at(first, 99):8.2f} {at(later, 50):10.2f} {at(later, 99):8.2f}")
    added = at(found["countersign"][0], 50) - at(found["direct"][0], 50)
    print(f"the proxy adds {added:.2f} ms to the first byte; target <= {TARGET:.0f} ms")


async def measure(ways: dict[str, Way], streams: int, events: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds from sending to receiving, of first pieces and of later ones, by way."""
    trust = {name: ssl.create_default_context(cafile=way.roots) for name, way in ways.items()}
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ways}
    for turn in range(streams + 2):
        for name, way in ways.items():
            opened = await connect(way, trust[name])
            late = await delays(opened, replace(way, path="/v1/events"), events)
            opened[1].transport.abort()
            if turn >= 2:
                found[name][0].append(late[0])
                found[name][1].extend(late[1:])
    return found


async def delays(opened: Opened, way: Way, events: int) -> list[float]:
    """How late each of the first events of one stream arrives, in seconds."""
    reader, writer = opened
    writer.write(request(way))
    late = []
    for _ in range(events):
        sent = int((await reader.readuntil(b"data: ") and await reader.readuntil(b"\n\n")).strip())
        late.append((time.monotonic_ns() - sent) / 1e9)
    return late


if __name__ == "__main__":
    main()
