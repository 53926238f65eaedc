"""How long it takes until what one Countersign ends is ended at another: CAEP by push, and by poll, over loopback.

    uv run python -m tests.bench.bench_signals [--events 100]

Both are whole: their own stores, audit logs and control APIs, with one event loop between them. Each event is the end
of another agent, made where the API makes it. Measured until it is durable at the other one and in force on its calls,
which is after the other one has verified it and written it into its own audit log.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from proxy.app.core import Core
from tests.bench.bench_latency import at
from tests.proxy.app.test_signals import two_houses


def main() -> None:
    """Measure, and print a row for each way of delivery."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100)
    options = parser.parse_args()
    print(f"{options.events} events; milliseconds from the end at A to the end at B")
    print(f"{'':6} {'p50':>8} {'p99':>8} {'most':>8}")
    for delivery in ("push", "poll"):
        with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
            found = sorted(asyncio.run(measure(Path(folder), delivery, options.events)))
        print(f"{delivery:6} {at(found, 50):8.1f} {at(found, 99):8.1f} {1000 * found[-1]:8.1f}")


async def measure(folder: Path, delivery: str, events: int) -> list[float]:
    """Seconds of each event, one after the other; the first two are not counted."""
    async with two_houses(folder, delivery=delivery) as (a, b):
        return [await one(a, b, f"agent:bench-{n}") for n in range(events + 2)][2:]


async def one(a: Core, b: Core, scope: str) -> float:
    """From before A writes it to when B's calls are judged by it."""
    ended = asyncio.Event()

    def look() -> None:
        if scope in b.feed.epochs.ended:
            ended.set()

    b.feed.on_change(look)
    began = time.perf_counter()
    await a.revocations.revoke(scope, "operator", "bench", a.clock())
    await asyncio.wait_for(ended.wait(), 30)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
