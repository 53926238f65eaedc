"""Real agent programs under `countersign run`, told their steps one by one; and what the control API says of them."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from proxy.demo.stage import Stage, end, told
from tests.fakes.waiting import PATIENCE, own_time

CLIENTS = Path(__file__).parent / "clients"
CRM = "https://crm.demo.internal"
NOTES = "https://notes.demo.internal/mcp"


def until[T](look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """What `look` finds, as soon as it finds something; fails if that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)  # a turn of the polling, never a measure of time
    return found


def stage_time(stage: Stage) -> float:
    """A clock for how long the server took, whatever else the machine did meanwhile."""
    assert stage.server is not None
    return own_time(stage.server.pid)


class Flowing:
    """A stream of events that flows in a thread of its own, until it is cut."""

    def __init__(self, stage: Stage, handle: str) -> None:
        self._stage = stage
        self._handle = handle
        self._begun = threading.Event()
        self._cut_at = 0.0
        self._thread = threading.Thread(target=self._read)
        self._thread.start()
        assert self._begun.wait(PATIENCE)

    def cut(self) -> float:
        """When it was cut, by the clock of its stage."""
        self._thread.join(PATIENCE)
        assert self._cut_at, "the stream went on to its end"
        return self._cut_at

    def _read(self) -> None:
        try:
            with proxied(self._stage, self._handle) as client, client.stream("GET", f"{CRM}/v1/events") as response:
                for _ in response.iter_lines():
                    self._begun.set()
        except httpx.HTTPError:
            self._cut_at = stage_time(self._stage)


@dataclass
class Program:
    """A program with pipes: one JSON line in, one JSON line out."""

    process: subprocess.Popen[str]

    def ask(self, **step: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(step) + "\n")
        self.process.stdin.flush()
        return self.hear()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the program has ended before it answered"
        heard: dict[str, Any] = json.loads(line)
        return heard

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """A call to the customer system: status and JSON answer."""
        text = None if body is None else json.dumps(body)
        sent = {**({"content-type": "application/json"} if text is not None else {}), **headers}
        heard = self.ask(method=method, url=CRM + path, headers=sent, body=text)
        return heard["status"], json.loads(heard["text"])


@contextlib.contextmanager
def governed(stage: Stage, *command: str) -> Iterator[Program]:
    """This program, under `countersign run`, for Alice."""
    process = subprocess.Popen(
        [*stage.command("run", "--agent", "support-bot", "--for", "alice"), "--", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Program(process)
    finally:
        end(process)


def python_client(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(CLIENTS / name), *arguments]


def approve(stage: Stage, hold: str, person: str = "olivia") -> None:
    """The owner approves this hold through the public API."""
    with stage.person(person) as client:
        shown = told(client.get(f"/v1/holds/{hold}"))
        body = {"action_digest": shown["action_digest"], "row_version": shown["row_version"], "reason": "checked"}
        assert told(client.post(f"/v1/holds/{hold}/approve", json=body))["state"] == "approved"


def pending(stage: Stage) -> list[dict[str, Any]]:
    """The holds that wait."""
    found: list[dict[str, Any]] = stage.ask("GET", "/v1/holds")["holds"]
    return found


def issue(stage: Stage, **wanted: Any) -> dict[str, Any]:
    """A handle of the demo's agent, for Alice."""
    asked = {"agent": "support-bot", "on_behalf_of": "alice", "purpose": "e2e", **wanted}
    made: dict[str, Any] = stage.ask("POST", "/v1/handles", asked)
    return made


def proxied(stage: Stage, handle: str, *, agent: str = "support-bot") -> httpx.Client:
    """An HTTP client of this process, through the proxy with this handle; it trusts our certificates alone."""
    import ssl

    trust = ssl.create_default_context(cafile=str(stage.directory / "state" / "ca" / "bundle.pem"))
    proxy = f"{stage.proxy}".replace("http://", f"http://{agent}:{handle}@")
    return httpx.Client(proxy=proxy, verify=trust, trust_env=False, timeout=PATIENCE)


def records(stage: Stage, **wanted: str) -> list[dict[str, Any]]:
    """The audit log's records, those of these fields."""
    from telemetry import reader

    found = reader.tail(stage.directory / "state" / "audit", 1_000_000)
    return [record for record in found if all(record.get(name) == value for name, value in wanted.items())]


def countersign(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, as a person gives it."""
    return subprocess.run(stage.command(*arguments), capture_output=True, text=True, check=False)
