"""The demo's stage: a temporary configuration, two real services, and a real `countersign serve`."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from proxy.app.local import operator_socket
from proxy.demo.certificates import make_server_files
from proxy.demo.scenery import HOSTS, furnish
from proxy.errors import CountersignError
from proxy.settings import load_settings
from proxy.unix_sockets import name_for

PATIENCE = 30.0  # seconds for an answer of our own programs, on a machine that is busy


@dataclass(slots=True)
class Stage:
    """A running demo: where it is, and the programs on it."""

    directory: Path
    crm_key: str
    task: str
    hold: str = ""
    console: str = ""
    proxy: str = ""
    gateway: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    services: list[subprocess.Popen[str]] = field(default_factory=list)
    server: subprocess.Popen[str] | None = None
    agent: subprocess.Popen[str] | None = None
    words: list[str] = field(default_factory=list)
    ledger: socket.socket | None = None

    @property
    def config(self) -> Path:
        return self.directory / "countersign.yaml"

    @property
    def agents_file(self) -> Path:
        return self.directory / "inventory" / "inventory.yaml"

    @property
    def root(self) -> Path:
        """The private root under which the services' certificates are."""
        return self.directory / "tls" / "root.pem"

    def command(self, *arguments: str) -> list[str]:
        """A `countersign` command on this stage; what is run by it may follow."""
        return [sys.executable, "-m", "proxy.cli", *arguments, "--config", str(self.config)]

    @contextlib.contextmanager
    def operator(self) -> Iterator[httpx.Client]:
        """The control API as the local operator."""
        with name_for(operator_socket(load_settings(self.config))) as name:
            transport = httpx.HTTPTransport(uds=name)
            with httpx.Client(
                transport=transport, base_url="http://localhost", timeout=PATIENCE, trust_env=False
            ) as client:
                yield client

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What the control API answers the local operator: the same that the commands ask it."""
        with self.operator() as client:
            return told(client.request(method, path, json=body))

    def person(self, person: str) -> httpx.Client:
        """The public API, as this person: what the console's buttons call."""
        token = self.ask("POST", f"/v1/people/{person}/tokens", {"ttl_seconds": 600})["token"]
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.console, headers=headers, timeout=PATIENCE, trust_env=False)

    def tell_agent(self, *step: str) -> None:
        """Give the agent its next step."""
        assert self.agent is not None
        assert self.agent.stdin is not None
        self.agent.stdin.write(json.dumps(step) + "\n")
        self.agent.stdin.flush()

    def hear_agent(self) -> dict[str, Any]:
        """The next line that the agent says."""
        assert self.agent is not None
        assert self.agent.stdout is not None
        line = self.agent.stdout.readline()
        if not line:
            raise CountersignError("the agent has ended before the story was over")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def finish_step(self) -> list[dict[str, Any]]:
        """What the agent says until the step is done."""
        said: list[dict[str, Any]] = []
        while not (line := self.hear_agent()).get("done"):
            said.append(line)
        return said

    def act(self, *step: str) -> dict[str, Any]:
        """One step of the agent, start to end: the last thing that it says of it."""
        self.tell_agent(*step)
        return self.finish_step()[-1]


def told(response: httpx.Response) -> Any:
    """The control API's answer; raises `CountersignError` with its words if it refuses."""
    if response.is_success:
        return response.json()
    raise CountersignError(f"{response.request.url.path}: {response.status_code} {response.text}")


@contextlib.contextmanager
def open_stage(*, agent: bool = True, prepare: Callable[[Stage], None] = lambda _: None) -> Iterator[Stage]:
    """Everything started on free loopback ports; everything ended and removed at the end.

    `prepare` may change what is furnished before it is served.
    """
    with tempfile.TemporaryDirectory(prefix="countersign-demo-", ignore_cleanup_errors=True) as name:
        stage = Stage(Path(name), crm_key=secrets.token_urlsafe(24), task="task_refund-for-ada")
        try:
            _furnish(stage)
            prepare(stage)
            start_server(stage)
            if agent:
                _start_agent(stage)
            yield stage
        finally:
            # the agent first, so that its handle is revoked; then the server; then what it calls
            for process in (stage.agent, stage.server, *stage.services):
                if process is not None:
                    end(process)
            if stage.ledger is not None:
                stage.ledger.close()


def end(process: subprocess.Popen[str]) -> None:
    """This program has ended when this returns, of itself or by force, and its pipes are closed."""
    try:
        if process.stdin:
            with contextlib.suppress(OSError):
                process.stdin.close()
        process.terminate()
        process.wait(PATIENCE / 2)
    except subprocess.TimeoutExpired:
        process.kill()
    finally:
        process.wait()
        if process.stdout:
            process.stdout.close()


def start_server(stage: Stage) -> None:
    """`countersign serve`, started and ready. It may be started again on what it left behind."""
    process = spawn(stage.command("serve"), stderr=subprocess.PIPE)
    stage.server = process
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        name, _, value = line.partition(" ")
        if name in {"proxy", "gateway", "console"}:
            setattr(stage, name, value.split()[0].removesuffix("/<service>"))
        if line.strip() == "ready":
            # what it says later is read too, or it would wait for us with a full pipe
            threading.Thread(target=_listen, args=(stage, process), daemon=True).start()
            return
    process.stderr.close()
    raise CountersignError("countersign serve does not start:\n" + "".join(lines))


def _listen(stage: Stage, process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    with process.stderr:
        stage.words.extend(process.stderr)


def _furnish(stage: Stage) -> None:
    files = make_server_files(stage.directory / "tls", HOSTS)
    secret = stage.directory / "crm.key"
    secret.touch(mode=0o600)
    secret.write_text(stage.crm_key)
    for name in ("crm", "notes"):
        _start_service(stage, name, str(files.chain), str(files.key))
    stage.ledger = socket.create_server(("127.0.0.1", 0), backlog=64)  # its service comes with its story
    stage.ports["ledger"] = stage.ledger.getsockname()[1]
    today = datetime.now(UTC).date()
    furnish(stage.directory, ports=stage.ports, root=files.root, secret=secret, today=today)


def _start_service(stage: Stage, name: str, *arguments: str) -> None:
    """A service on a socket that listens already: who calls too early waits, so that all may start at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        stage.ports[name] = listening.getsockname()[1]
        number = listening.fileno()
        command = [sys.executable, "-m", f"proxy.demo.{name}", *arguments, str(number)]
        environment = {**os.environ, "CRM_KEY": stage.crm_key}
        stage.services.append(spawn(command, env=environment, pass_fds=(number,)))


def _start_agent(stage: Stage) -> None:
    """The agent program, under `countersign run`: one handle, one task, for Alice."""
    command = stage.command("run", "--agent", "support-bot", "--for", "alice", "--task", stage.task)
    program = [*command, "--", sys.executable, "-m", "proxy.demo.agent"]
    stage.agent = spawn(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def start_ledger(stage: Stage) -> subprocess.Popen[str]:
    """The internal service that says who is behind each call, on its output; it needs the running server's keys."""
    assert stage.ledger is not None
    tls, number = stage.directory / "tls", stage.ledger.fileno()
    command = [sys.executable, "-m", "proxy.demo.ledger", str(tls / "server.pem"), str(tls / "server.key")]
    keys = f"{stage.console}/.well-known/jwks.json"
    process = spawn([*command, str(number), keys], stdout=subprocess.PIPE, pass_fds=(number,))
    stage.services.append(process)
    return process


def spawn(command: list[str], **options: Any) -> subprocess.Popen[str]:
    """A program of ours: out of reach of the terminal's Ctrl-C, which is for us to handle; never left behind."""
    leash = [sys.executable, "-m", "proxy.demo.leash"]
    return subprocess.Popen([*leash, *command], text=True, start_new_session=True, **options)
