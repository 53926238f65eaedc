"""How long a record takes to be durable, and whether anything acknowledged is ever lost to a `kill -9`.

    uv run python -m tests.bench.bench_audit [--records 4000] [--kills 30] [--directory DIR]

`append` returns when the record is on the disk. Callers wait for one record before they write the next. The disk that
counts is that of `--directory`, a temporary directory by default; `fdatasync` of 1 KiB on the same disk stands beside
it. Then a process with 8 callers is killed, again and again, on one log: every record that it had said is durable
must be in the log, at the place that it named, and the log must verify.
"""

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from telemetry import reader
from telemetry.recorder import Recorder
from telemetry.verify import verify
from tests.bench.bench_latency import at

ORIGIN = "bench.example/audit"
RECORD: Mapping[str, Any] = {
    "type": "call.decided",
    "task": "task_0",
    "agent": {"id": "bench", "owner": "olivia", "identity": "handle", "src": "handle", "instance": ""},
    "action": {
        "service": "crm",
        "tool": "get_customer",
        "path": "/v1/customers/{customer}",
        "digest": "sha256:" + "0" * 64,
    },
    "decision": {"outcome": "allow", "rules": ["tools", "data"], "policy": "sha256:" + "0" * 64, "eval_us": 120},
}


def main() -> None:
    """Measure, then kill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    parser.add_argument("--victim", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.victim is not None:
        asyncio.run(victim(options.directory, options.victim))
        return
    with tempfile.TemporaryDirectory(prefix="countersign-bench-", dir=options.directory) as temporary:
        directory = Path(temporary)
        syncs = [fdatasync(directory / "probe") for _ in range(200)]
        print(f"{'fdatasync alone':20} p50 {at(syncs, 50):6.2f} ms   p99 {at(syncs, 99):6.2f} ms")
        for callers in (1, 32):
            times, rate = asyncio.run(append(directory / f"log{callers}", callers, options.records))
            words = f"p50 {at(times, 50):6.2f} ms   p99 {at(times, 99):6.2f} ms   {rate:6.0f} records/s"
            print(f"{f'append, {callers} callers':20} {words}   target p50 <= 2 ms")
        acknowledged, lost, findings = kill(directory / "killed", options.kills)
    print(f"{options.kills} x kill -9: {acknowledged} acknowledged, {lost} lost, {findings} findings; target: 0 and 0")


def fdatasync(path: Path) -> float:
    """Seconds to append 1 KiB and have it on the disk."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        began = time.perf_counter()
        os.write(file, b"x" * 1024)
        os.fdatasync(file)
        return time.perf_counter() - began
    finally:
        os.close(file)


async def append(directory: Path, callers: int, records: int) -> tuple[list[float], float]:
    """Seconds of each append, and records in a second."""
    recorder = Recorder(directory, ORIGIN)
    recorder.start()
    times: list[float] = []

    async def caller(number: int) -> None:
        for turn in range(records // callers):
            began = time.perf_counter()
            await recorder.append({**RECORD, "call": f"call_{number}_{turn}"})
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    rate = len(times) / (time.perf_counter() - began)
    recorder.close()
    return times, rate


def kill(directory: Path, kills: int) -> tuple[int, int, int]:
    """(records acknowledged, of these not in the log, findings of its verification)."""
    acknowledged: dict[int, str] = {}
    chance = random.Random(seed())
    command = [sys.executable, "-m", "tests.bench.bench_audit", "--directory", str(directory), "--victim"]
    for turn in range(kills):
        with subprocess.Popen([*command, str(turn)], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(chance.randint(1, 600))]
            os.kill(process.pid, signal.SIGKILL)
            lines += process.stdout.readlines()
        whole = [line.split() for line in lines if line.endswith("\n")]
        acknowledged |= {int(index): call for index, call in whole}
    recorder = Recorder(directory, ORIGIN)
    recorder.start()
    recorder.close()
    stored = {record["idx"]: record["call"] for record in reader.records(directory) if "call" in record}
    lost = sum(1 for index, call in acknowledged.items() if stored.get(index) != call)
    return len(acknowledged), lost, len(verify(directory).findings)


def seed() -> int:
    """Another one each time: kills shall fall anywhere."""
    return int.from_bytes(os.urandom(8))


async def victim(directory: Path, turn: int) -> None:
    """Appends and says so, until it is killed."""
    recorder = Recorder(directory, ORIGIN)
    recorder.start()

    async def caller(number: int) -> None:
        count = 0
        while True:
            call = f"call_{turn}_{number}_{count}"
            index = await recorder.append({**RECORD, "call": call})
            sys.stdout.write(f"{index} {call}\n")
            sys.stdout.flush()
            count += 1

    await asyncio.gather(*(caller(number) for number in range(8)))


if __name__ == "__main__":
    main()
