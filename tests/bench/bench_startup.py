"""How long `countersign serve` takes from its start to `ready`, and what a command costs that asks it something.

    uv run python -m tests.bench.bench_startup [--runs 5] [--imports 15]

Beside it stand the start of the interpreter alone and `import mitmproxy.proxy.layers`, on the same machine in the
same minute, since machines differ. `--imports N` lists the N packages whose modules cost most to import, as
`-X importtime` counts them: each module's own time, added up by package.

Of `countersign revoke`, typed while it serves, the processor time is told, beside that of a command line that does
nothing: on a busy machine its seconds are others'. `bench_revocation --end command` has them to the last byte.
"""

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from proxy.demo.certificates import make_server_files
from tests.bench.governed import SECRET, write_configuration
from tests.bench.load import HOST

TARGET = 3.0
NOTHING = "import typer; app = typer.Typer(); app.command()(lambda: None); app([], standalone_mode=False)"
ALONE = {"python": "pass", "mitmproxy's layers": "import mitmproxy.proxy.layers", "the gate": "import proxy.app.serve"}


def main() -> None:
    """Measure, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--imports", type=int, default=0, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as directory:
        files = make_server_files(Path(directory) / "tls", [HOST])
        config = write_configuration(Path(directory) / "own", files.root, 443, policies=100)
        command = [sys.executable, "-m", "proxy.cli", "serve", "--config", str(config)]
        took(ALONE["the gate"])
        served = [until_ready(command) for _ in range(options.runs)]
        typed, nothing = commands(config, command, options.runs)
        alone = {name: [took(code) for _ in range(options.runs)] for name, code in ALONE.items()}
        if options.imports:
            list_imports(command, options.imports)
    for name, times in alone.items():
        print(f"{name:22} median {statistics.median(times):5.2f} s")
    first, others = served[0], served[1:] or served
    print(f"{'countersign, first':22}        {first:5.2f} s   keys, database and audit log are made")
    print(f"{'countersign, later':22} median {statistics.median(others):5.2f} s   target <= {TARGET:.0f} s")
    print(f"{'countersign revoke':22} median {typed:5.2f} s of processor time, doing nothing {nothing:.2f} s")


def until_ready(command: list[str]) -> float:
    """Seconds from the start to the line `ready`."""
    began = time.perf_counter()
    with running(command) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == "ready":
                return time.perf_counter() - began
    raise SystemExit("countersign serve does not start")


def commands(config: Path, serve: list[str], count: int) -> tuple[float, float]:
    """Median processor seconds of `countersign revoke` that a running server answers, and of doing nothing."""
    revoke = ["-m", "proxy.cli", "revoke", "agent:bench", "--reason", "measured", "--config", str(config)]
    with running(serve) as process:
        assert process.stderr is not None
        while process.stderr.readline().strip() != "ready":
            pass
        spent(revoke)
        pairs = [(spent(revoke), spent(["-c", NOTHING])) for _ in range(count)]
    typed, nothing = zip(*pairs, strict=True)
    return statistics.median(typed), statistics.median(nothing)


def spent(arguments: list[str]) -> float:
    """Processor seconds of an interpreter that runs this."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, env=environment(), stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The program, until the end of the block."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def took(code: str) -> float:
    """Seconds of an interpreter that runs this and ends."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
    return time.perf_counter() - began


def environment() -> dict[str, str]:
    """Ours, but compiled modules are kept, as they are where a package is installed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "BENCH_SECRET": SECRET}


def list_imports(command: list[str], count: int) -> None:
    """Where importing spends its time, by package."""
    own: Counter[str] = Counter()
    with running([command[0], "-X", "importtime", *command[1:]]) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip() == "ready":
                break
            cells = line.removeprefix("import time:").split("|")
            if len(cells) == 3 and cells[0].strip().isdigit():
                parts = cells[2].strip().split(".")
                own[".".join(parts[: 3 if parts[0] == "mitmproxy" else 1])] += int(cells[0])
    print(f"{sum(own.values()) / 1e6:5.2f} s of imports")
    for name, micros in own.most_common(count):
        print(f"{micros / 1e6:5.2f} s {name}")


if __name__ == "__main__":
    main()
