"""CPU per request of the listener, beside mitmproxy's own master with the fewest add-ons.

Run it with `python -m tests.bench.bench_listener`. Three processes on loopback: the upstream, the proxy,
and a load generator that keeps its connections. Printed are requests per second, and processor time of the proxy
alone per request, which other load on the machine disturbs least.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import os
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from proxy.demo.certificates import make_server_files
from proxy.listener.listener import Listener
from proxy.listener.options import ListenerOptions
from proxy.stages import Arrived, Destination, Evidence, Released, Reply
from tests.bench.bench_throughput import upstream
from tests.bench.upstream import BODY
from tests.fakes.gate import FakeGate


class OpenGate(FakeGate):
    """Lets everything pass and remembers nothing."""

    async def admit_tunnel(self, connection: str, evidence: Evidence, host: str, port: int) -> Reply | None:
        return None

    async def admit_call(self, arrived: Arrived, evidence: Evidence | None) -> Released | Reply:
        return self.release(arrived)

    def agent_of(self, connection: str) -> str:
        return "bench"

    def answered(self, answered: Any) -> None:
        pass


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ours(directory: str, port: int, upstream: tuple[str, int], ready: Event) -> None:
    async def run() -> None:
        scheme, upstream_port = upstream
        gate = OpenGate()
        gate.place = Destination(
            scheme,
            "localhost",
            443 if scheme == "https" else 80,
            connect=("127.0.0.1", upstream_port),
            ca_bundle=f"{directory}/root.pem",
            allow_private_addresses=True,
        )
        await Listener(gate, ListenerOptions(ca_directory=Path(directory), proxy_port=port)).start()
        ready.set()
        await asyncio.Event().wait()

    asyncio.run(run())


def stock(directory: str, port: int, upstream: tuple[str, int], ready: Event) -> None:
    """The fewest add-ons that make a working proxy, and none of ours."""
    from mitmproxy import options
    from mitmproxy.addons import errorcheck, next_layer, proxyserver, tlsconfig
    from mitmproxy.master import Master

    class Ready:
        def requestheaders(self, flow: Any) -> None:
            flow.request.host, flow.request.port = "127.0.0.1", upstream[1]

        def running(self) -> None:
            ready.set()

    async def run() -> None:
        master = Master(options.Options(), with_termlog=False)
        master.addons.add(
            proxyserver.Proxyserver(), next_layer.NextLayer(), tlsconfig.TlsConfig(), errorcheck.ErrorCheck(), Ready()
        )
        master.options.update(
            mode=[f"regular@127.0.0.1:{port}"],
            confdir=f"{directory}/stock",
            connection_strategy="lazy",
            rawtcp=False,
            http2=False,
            ssl_insecure=True,
        )
        await master.run()

    asyncio.run(run())


async def connect(port: int, scheme: str, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if scheme == "https":
        writer.write(b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\nProxy-Authorization: Bearer t\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await writer.start_tls(context, server_hostname="localhost")
    return reader, writer


async def load(port: int, scheme: str, connections: int, seconds: float) -> int:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"refund","arguments":{"amount":450}}}'
    target = b"/v1/refunds" if scheme == "https" else b"http://localhost/v1/refunds"
    request = (
        b"POST %s HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
        b"User-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    ) % (target, len(body), body)
    done = 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal done
        reader, writer = await connect(port, scheme, context)
        while time.perf_counter() < end:
            writer.write(request)
            await reader.readuntil(BODY)
            done += 1
        writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(connections)))
    return done


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    variant: Any, directory: str, upstream: tuple[str, int], connections: int, seconds: float
) -> tuple[float, float]:
    """(requests per second, milliseconds of processor time per request)."""
    port = free_port()
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=variant, args=(directory, port, upstream, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(30):
            sys.exit(f"{variant.__name__} did not start")
        assert process.pid is not None
        asyncio.run(load(port, upstream[0], connections, 1))
        before, started = cpu_seconds(process.pid), time.perf_counter()
        done = asyncio.run(load(port, upstream[0], connections, seconds))
        return done / (time.perf_counter() - started), (cpu_seconds(process.pid) - before) * 1000 / done
    finally:
        process.terminate()
        process.join()


@contextlib.contextmanager
def upstreams(directory: Path) -> Iterator[tuple[int, int]]:
    """The ports of one without TLS, and of one with it."""
    files = make_server_files(directory, ["localhost"])
    with upstream(files, "bench", "no-tls") as plain, upstream(files, "bench") as tls:
        yield plain, tls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, upstreams(Path(directory)) as (plain, tls):
        for scheme, port in (("http", plain), ("https", tls)):
            rows: dict[str, list[tuple[float, float]]] = {"stock": [], "ours": []}
            for _ in range(options.rounds):
                for variant in (stock, ours):
                    result = measure(variant, directory, (scheme, port), options.connections, options.seconds)
                    rows[variant.__name__].append(result)
            best = {name: (max(r for r, _ in row), min(c for _, c in row)) for name, row in rows.items()}
            for name, (rps, cpu) in best.items():
                print(f"{scheme:5} {name:5} {rps:7.0f} requests/s  {cpu:6.3f} ms CPU/request")
            throughput, cpu = best["ours"][0] / best["stock"][0], best["stock"][1] / best["ours"][1]
            print(f"{scheme:5} ratio {throughput:.2f}x throughput, {cpu:.2f}x per CPU\n")


if __name__ == "__main__":
    main()
