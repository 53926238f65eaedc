"""What it costs to hold many calls at once: memory for each, and what other traffic feels of them.

    uv run python -m tests.bench.bench_holds [--count 2000] [--rounds 7]

Two proxies with the same configuration run side by side: one holds calls, the other does not. First `--count` calls
are parked: each is asked with `Prefer: wait=0`, answered with 428, and waits for people without a connection. Then
as many others wait on the line, each on a TLS connection of its own. Memory is the resident set of the whole process,
over what it was before. Meanwhile other calls go through both proxies in turns, on 8 connections; compared are the
medians of each round's p99.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import ssl
import statistics
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.demo.certificates import make_server_files
from tests.bench.bench_latency import at
from tests.bench.bench_throughput import upstream
from tests.bench.governed import Governed, start_governed
from tests.bench.load import HOST, Way, open_connection, request, run_load

SETTINGS = "holds: {open_per_agent: 10000, new_per_minute: 10000, inline_wait_seconds: 50}\n"
AT_ONCE = 32
OTHERS = 8
WARM = 500
PARKED_TARGET, WAITING_TARGET, SLOWER_TARGET = 4.0, 130.0, 1.5


@dataclass(frozen=True, slots=True)
class House:
    """A proxy, and the way through it."""

    process: Governed
    way: Way

    @property
    def memory(self) -> float:
        """KiB of its resident set."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        return float(status.partition("VmRSS:")[2].split()[0])


def main() -> None:
    """Measure, and print each number beside its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7, help="of 1 s of other traffic through each proxy")
    options = parser.parse_args()
    marker = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, marker))
        houses = []
        for name in ("holding", "free"):
            governed = stack.enter_context(start_governed(directory / name, files.root, port, settings=SETTINGS))
            houses.append(House(governed, Way(governed.port, port, governed.bundle, "Countersign", governed.handle)))
        asyncio.run(measure(houses[0], houses[1], marker, options.count, options.rounds))


async def measure(holding: House, free: House, marker: str, count: int, rounds: int) -> None:
    """All of it, in order; nothing that is held is let go before the end."""
    trust = ssl.create_default_context(cafile=holding.way.roots)
    for house in (holding, free):
        await run_load(house.way, marker, OTHERS, 2)
    await compare("nothing held", holding, free, marker, rounds)
    await park(holding.way, trust, count, WARM)
    before = holding.memory
    await park(holding.way, trust, 0, count)
    print(f"parked: {(holding.memory - before) / count:6.1f} KiB each; target <= {PARKED_TARGET:.0f} KiB")
    await compare(f"{count} parked", holding, free, marker, rounds)
    before = holding.memory
    opened = await each(count, lambda _: open_connection(holding.way, trust))
    connected = (holding.memory - before) / count
    for number, (_, writer) in enumerate(opened):
        writer.write(refund(holding.way, count + WARM + number, 50))
        if number % AT_ONCE == 0:
            await asyncio.sleep(0.02)
    await asyncio.sleep(2)
    each_one = (holding.memory - before) / count
    print(
        f"waiting: {each_one:5.1f} KiB each, of which the TLS connection has {connected:.1f}; "
        f"target <= {WAITING_TARGET:.0f} KiB"
    )
    await compare(f"{count} waiting, {count} parked", holding, free, marker, max(1, rounds // 2))
    waiting = sum(1 for reader, _ in opened if not reader._buffer and not reader.at_eof())  # type: ignore[attr-defined]
    print(f"{waiting} of {count} calls still wait on the line, for at most 50 s each")
    for _, writer in opened:
        writer.transport.abort()


def refund(way: Way, amount: int, wait: int) -> bytes:
    """A call that the owner signs off, like no other."""
    body = json.dumps({"customer": "c-7", "amount": amount, "reason": "late delivery"}).encode()
    return request(replace(way, path="/v1/refunds"), "POST", body, f"Prefer: wait={wait}\r\n")


async def park(way: Way, trust: ssl.SSLContext, first: int, count: int) -> None:
    """So many calls that are held, and whose callers do not wait. They come over a few connections."""

    async def some(numbers: range) -> None:
        reader, writer = await open_connection(way, trust)
        for number in numbers:
            writer.write(refund(way, number, 0))
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 428"):
                raise SystemExit(f"a call is not held: {head[:200]!r}")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
        writer.transport.abort()

    await asyncio.gather(*(some(range(first + offset, first + count, OTHERS)) for offset in range(OTHERS)))


async def each[T](count: int, work: Callable[[int], Coroutine[None, None, T]]) -> list[T]:
    """The results of so many, a few at a time."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> T:
        async with free:
            return await work(number)

    return await asyncio.gather(*(one(number) for number in range(count)))


async def compare(title: str, holding: House, free: House, marker: str, rounds: int) -> None:
    """Other calls' times through both proxies, in turns."""
    slow: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for house, worst in zip((holding, free), slow, strict=True):
            tally = await run_load(house.way, marker, OTHERS, 1)
            if tally.wrong:
                raise SystemExit(f"a wrong answer: {tally.wrong[0]}")
            worst.append(at(tally.seconds, 99))
    own, other = statistics.median(slow[0]), statistics.median(slow[1])
    print(
        f"other calls, {title}: p99 {own:.1f} ms, beside {other:.1f} ms where nothing is held: "
        f"{own / other:.2f} x; target <= {SLOWER_TARGET} x",
        flush=True,
    )


if __name__ == "__main__":
    main()
