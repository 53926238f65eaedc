"""Countersign as the benches run it: everything on, with as many policies as asked for."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

SECRET = "bench-secret-0123456789"

SETTINGS = """\
version: 1
listen: {proxy: "127.0.0.1:0", gateway: "127.0.0.1:0", control: "127.0.0.1:0", http2: true}
trusted_roots: ROOTS
"""

INVENTORY = """\
people:
  - {{id: alice, name: Alice}}
  - {{id: olivia, name: Olivia}}
agents:
  - id: bench
    owner: olivia
    purpose: be measured
    expires: {expires}
    review_due: {expires}
services:
  - id: crm
    owner: alice
    url: https://localhost:{port}
    allow_private_addresses: true
    trust: internal
    tools:
      - {{name: get_customer, effect: read, route: {{method: GET, path: "/v1/customers/{{customer}}"}}}}
      - {{name: events, effect: read, route: {{method: GET, path: /v1/events}}}}
      - {{name: refund, effect: pay, route: {{method: POST, path: /v1/refunds}}}}
    bindings:
      - {{id: crm-key, secret: "env:BENCH_SECRET", methods: [GET, POST], paths: ["/v1/*"]}}
datasets:
  - id: customers
    owner: alice
    sensitivity: confidential
    selectors: [{{service: crm, tools: [get_customer], access: read}}]
"""

POLICIES = """\
@id("tools")
permit (principal, action in [Action::"crm/get_customer", Action::"crm/events", Action::"crm/refund"], resource);
@id("data")
permit (principal, action == Action::"read", resource == Dataset::"customers");
@id("restricted")
forbid (principal, action in [Action::"read", Action::"write"], resource is Dataset)
when { resource.sensitivity == "restricted" };
"""
SIGNED_OFF = """\
@id("refunds") @hold("owner") @reason("refunds are signed off")
forbid (principal, action == Action::"crm/refund", resource);
"""
FILLER = """\
@id("filler-{number}")
permit (principal == Person::"olivia", action == Action::"crm/get_customer", resource)
when {{ context.host == "h{number}" }};
"""


@dataclass(frozen=True, slots=True)
class Governed:
    """A running proxy: its process, its port, its agent's handle, the roots that trust it, and seconds to `ready`."""

    process: subprocess.Popen[str]
    port: int
    handle: str
    bundle: str
    config: Path
    started_in: float


def write_configuration(directory: Path, roots: Path, upstream: int, policies: int = 100, settings: str = "") -> Path:
    """Settings, inventory and so many policies for an upstream on this port; the settings file."""
    for folder in ("inventory", "policies"):
        (directory / folder).mkdir(parents=True)
    config = directory / "countersign.yaml"
    config.write_text(SETTINGS.replace("ROOTS", str(roots)) + settings)
    expires = datetime.now(UTC).date() + timedelta(days=30)
    (directory / "inventory" / "all.yaml").write_text(INVENTORY.format(port=upstream, expires=expires))
    filler = "".join(FILLER.format(number=number) for number in range(policies - 4))
    (directory / "policies" / "all.cedar").write_text(POLICIES + SIGNED_OFF + filler)
    return config


@contextlib.contextmanager
def start_governed(
    directory: Path,
    roots: Path,
    upstream: int,
    policies: int = 100,
    settings: str = "",
    *,
    more: Mapping[str, str] = MappingProxyType({}),
    made: Path | None = None,
) -> Iterator[Governed]:
    """`countersign serve` with identity, policy, credential, audit and leak scan for each call.

    `more` are files beside those that every bench has, by their path below the configuration. `made` is a
    configuration that is there already.
    """
    config = made or write_configuration(directory, roots, upstream, policies, settings)
    for path, text in more.items():
        (directory / path).write_text(text)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *_program(), "serve", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BENCH_SECRET": SECRET},
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.strip() == "ready":
                break
        else:
            raise SystemExit("countersign serve does not start")
        took = time.perf_counter() - began
        status = ask(config, "status")
        handle = ask(config, "handle", "issue", "bench", "--for", "alice")["handle"]
        port = int(str(status["proxy"]).rpartition(":")[2])
        yield Governed(process, port, str(handle), str(status["bundle"]), config, took)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _program() -> list[str]:
    """The `countersign` command, profiled if that is wished."""
    file = os.environ.get("BENCH_PROFILE")
    return ["tests.bench.profiled", file] if file else ["proxy.cli"]


def ask(config: Path, *command: str) -> dict[str, object]:
    """What a `countersign` command says as JSON."""
    argv = [sys.executable, "-m", "proxy.cli", *command, "--config", str(config), "--json"]
    answer: dict[str, object] = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    return answer
