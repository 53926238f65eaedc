"""The governed path, everything on, against mitmproxy doing the same interception ungoverned. One run, side by side.

    uv run python -m tests.bench.bench_throughput [--rounds 5] [--seconds 3] [--connections 32] [--http2]

Keep-alive HTTPS over HTTP/1.1; with `--http2` each proxy is measured with both protocols in turn, and as many requests
under way (on `--h2-connections`). The upstream speaks HTTP/1.1, as do all that Countersign calls. The proxies are
pinned to one core, the load and the upstream to another. Before each round, the process that listens is shown to be
the one that is meant, by the owner of its port and by the issuer of the certificate that it shows; every answer must
be a 2xx with the upstream's marker of this run, or the run fails.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from proxy.demo.certificates import ServerFiles, make_server_files
from tests.bench.governed import start_governed
from tests.bench.load import HOST, Tally, Way, run_load
from tests.bench.load_h2 import run_h2_load

OWN, OTHER = {min(os.sched_getaffinity(0))}, {max(os.sched_getaffinity(0))}


@dataclass(slots=True)
class Contender:
    """A proxy under measurement: its process, the way through it, and the tally of each round.

    `streams` is how many requests a connection has under way over HTTP/2; 0 means HTTP/1.1.
    """

    name: str
    process: subprocess.Popen[str]
    way: Way
    streams: int = 0
    rounds: list[Tally] = field(default_factory=list)

    def rates(self, seconds: float) -> list[float]:
        return [len(tally.seconds) / seconds for tally in self.rounds]


def main() -> None:
    """Measure, and print the ratios first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--http2", action="store_true")
    parser.add_argument("--h2-connections", type=int, default=4)
    options = parser.parse_args()
    marker = secrets.token_hex(8)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="countersign-bench-")))
        files = make_server_files(directory / "tls", [HOST])
        port = stack.enter_context(upstream(files, marker))
        house = stack.enter_context(start_governed(directory / "own", files.root, port))
        own = Way(house.port, port, house.bundle, "Countersign", house.handle)
        contenders = [Contender("countersign", house.process, own)]
        for contender in mitmproxies(directory, files, port, http2=options.http2):
            stack.callback(contender.process.kill)
            contenders.append(contender)
        for contender in contenders:
            pin(contender.process.pid, OTHER)
        os.sched_setaffinity(0, OWN)
        streams = options.connections // options.h2_connections
        doubles = [replace(each, streams=streams, rounds=[]) for each in contenders] if options.http2 else []
        for _ in range(options.rounds):
            for contender in contenders:
                measure(contender, marker, options.connections, options.seconds)
            for contender in doubles:
                measure(contender, marker, options.h2_connections, options.seconds)
    if doubles:
        print(f"HTTP/2, {options.h2_connections} connections with {streams} requests each:")
        report(doubles, options.seconds)
        print(f"HTTP/1.1, {options.connections} connections:")
    report(contenders, options.seconds)


@contextlib.contextmanager
def upstream(files: ServerFiles, marker: str, kind: str = "plain") -> Iterator[int]:
    """The upstream's port, while it runs."""
    command = [sys.executable, "-m", "tests.bench.upstream", str(files.chain), str(files.key), marker, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        pin(process.pid, OWN)
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def mitmproxies(directory: Path, files: ServerFiles, port: int, *, http2: bool = False) -> Iterator[Contender]:
    """Stock mitmdump, and mitmproxy with its fewest addons. Both verify the upstream.

    Stock mitmdump asks the upstream first, and speaks HTTP/2 to clients only if that does; to be measured with it, it
    must not (`connection_strategy=lazy`), which costs it nothing.
    """
    trust = f"ssl_verify_upstream_trusted_ca={files.root}"
    at = {name: free_port() for name in ("stock", "minimal")}
    mitmdump = str(Path(sys.executable).with_name("mitmdump"))
    place = ["--listen-host", "127.0.0.1", "--listen-port", str(at["stock"])]
    commands = {
        "stock": [
            *(mitmdump, *place, "--set", f"confdir={directory / 'stock'}", "--set", trust),
            *(["--set", "connection_strategy=lazy"] if http2 else []),
        ],
        "minimal": [
            *(sys.executable, "-m", "tests.bench.minimal_mitmproxy"),
            *(str(at["minimal"]), str(directory / "minimal"), str(files.root), *(["http2"] if http2 else [])),
        ],
    }
    for name, command in commands.items():
        (directory / name).mkdir()
        process = subprocess.Popen(command, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(at[name], process)
        roots = directory / name / "mitmproxy-ca-cert.pem"
        yield Contender(f"{name} mitmproxy", process, Way(at[name], port, str(roots), "mitmproxy"))


def measure(contender: Contender, marker: str, connections: int, seconds: float) -> None:
    """One round. Whatever makes it meaningless ends the run."""
    owners = owners_of(contender.way.port)
    if owners != {contender.process.pid}:
        raise SystemExit(f"port {contender.way.port} belongs to {owners}, not to {contender.name}")
    if contender.streams:
        load = run_h2_load(contender.way, marker, connections, contender.streams, seconds)
    else:
        load = run_load(contender.way, marker, connections, seconds)
    tally = asyncio.run(load)
    if tally.wrong:
        raise SystemExit(f"{contender.name}: {len(tally.wrong)} wrong answers, such as {tally.wrong[0]}")
    contender.rounds.append(tally)


def report(contenders: list[Contender], seconds: float) -> None:
    """Ratios first: how much of each other proxy's throughput the governed path has."""
    own = statistics.median(contenders[0].rates(seconds))
    for other in contenders[1:]:
        print(f"countersign / {other.name}: {own / statistics.median(other.rates(seconds)):.2f} x the throughput")
    for contender in contenders:
        rates = contender.rates(seconds)
        answers = sorted(answer for tally in contender.rounds for answer in tally.seconds)
        p50, p99 = answers[len(answers) // 2] * 1000, answers[len(answers) * 99 // 100] * 1000
        print(
            f"{contender.name:20} median {statistics.median(rates):6.0f} requests/s, "
            f"best {max(rates):6.0f}, p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(answers)} answers, all 2xx"
        )


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Until somebody listens there; ends the run if that never happens."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("a proxy does not start")


def owners_of(port: int) -> set[int]:
    """The processes that listen on this port, by the kernel's own tables."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    owners = set()
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(entry.readlink()) in inodes:
                owners.add(int(entry.parts[2]))
    return owners


def pin(pid: int, cores: set[int]) -> None:
    """Every thread of this process onto these cores."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


if __name__ == "__main__":
    main()
