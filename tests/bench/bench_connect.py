"""What a new tunnel costs by each way to the proxy: plain, TLS to the proxy, a client certificate, the shim.

    uv run python -m tests.bench.bench_connect [--tunnels 200]

One after the other, in turns: connect, CONNECT, TLS inside, one call, its answer. Client, shim, proxy and upstream
share one process and its loop, and the gate always says yes: read the ratios, which are of all that is done together.
"""

import argparse
import asyncio
import contextlib
import ssl
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from proxy.shim.relay import Means, open_shim
from proxy.shim.sources import CertificateFiles
from proxy.shim.way import Way
from tests.fakes.agents import CREDENTIAL, Rig, Wire, rig
from tests.fakes.client_certificates import issue
from tests.fakes.tokens import FixedToken

PASSWORD = "countersign_x"  # as in CREDENTIAL
GET = "GET / HTTP/1.1\nHost: a.test"

type Dial = Callable[[], Awaitable[Wire]]


def main() -> None:
    """Measure, and print one row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tunnels", type=int, default=200, help="tunnels of each way")
    found = asyncio.run(measure(parser.parse_args().tunnels))
    plain = statistics.median(found["plain"])
    print(f"{'':24} {'p50 ms':>8} {'to plain':>9}")
    for name, taken in found.items():
        middle = statistics.median(taken)
        print(f"{name:24} {middle * 1000:8.2f} {middle / plain:8.2f}x")


async def measure(tunnels: int) -> dict[str, list[float]]:
    """Seconds for each tunnel, by way."""
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as name:
        local = Path(name) / "run" / "proxy.sock"
        agent = issue().file(Path(name) / "agent.pem")
        async with rig(proxy_tls=("127.0.0.1", 0), local=local) as r, contextlib.AsyncExitStack() as stack:
            ways = await _ways(r, agent, stack)
            found: dict[str, list[float]] = {way: [] for way in ways}
            trust = r.trust()
            for turn in range(tunnels + 5):
                for way, dial in ways.items():
                    took = await _one(r, dial, trust)
                    if turn >= 5:
                        found[way].append(took)
            return found


async def _ways(r: Rig, agent: Path, stack: contextlib.AsyncExitStack) -> dict[str, Dial]:
    alone, shown = r.trust(), r.trust()
    shown.load_cert_chain(agent)
    assert r.listener.proxy_tls_address is not None
    tls = Way("localhost", r.listener.proxy_tls_address[1], tls=True)
    certificate = CertificateFiles(agent, agent, r.directory / "ca.pem")
    ports = {
        "shim, plain": Means(Way(*r.listener.proxy_address), FixedToken("t")),
        "shim, UNIX socket": Means(Way(path=str(r.listener.local))),
        "shim, certificate": Means(tls, None, certificate),
    }
    shims: dict[str, Dial] = {}
    for name, means in ports.items():
        port = await stack.enter_async_context(open_shim(PASSWORD, means))
        shims[name] = lambda port=port: _dial(port)  # type: ignore[misc]  # mypy: a default is no parameter
    return {
        "plain": r.dial,
        "UNIX socket": r.dial_local,
        "TLS to the proxy": lambda: r.dial_tls(context=alone),
        "TLS with a certificate": lambda: r.dial_tls(context=shown),
        **shims,
    }


async def _dial(port: int) -> Wire:
    return Wire(*await asyncio.open_connection("127.0.0.1", port))


async def _one(r: Rig, dial: Dial, trust: ssl.SSLContext) -> float:
    """One tunnel from nothing to the answer of its first call."""
    began = time.perf_counter()
    wire = await dial()
    wire.send(f"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n{CREDENTIAL}\r\n\r\n".encode())
    assert (await wire.head()).startswith(b"HTTP/1.1 200 ")
    await wire.start_tls(trust, "a.test")
    assert (await wire.ask(GET))[0] == 200
    took = time.perf_counter() - began
    wire.writer.transport.abort()
    return took


if __name__ == "__main__":
    main()
