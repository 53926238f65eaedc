"""The demo's stage: a temporary configuration, two real services, and a real `countersign serve`."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from proxy.demo.certificates import make_server_files
from proxy.errors import CountersignError

HOSTS = ["crm.demo.internal", "notes.demo.internal"]

SETTINGS = """\
version: 1
listen: {proxy: "127.0.0.1:0", gateway: "127.0.0.1:0", control: "127.0.0.1:0"}
state: ./state
inventory: ./inventory
policies: ./policies
holds: {inline_wait_seconds: 0}
"""

INVENTORY = """\
people:
  - {{id: alice, name: Alice Archer, teams: [support]}}    # works with the agent
  - {{id: olivia, name: Olivia Owens, teams: [support]}}   # answers for it
  - {{id: bob, name: Bob Baker, teams: [security]}}
teams:
  - {{id: support}}
  - {{id: security}}
agents:
  - id: support-bot
    owner: olivia           # the one person who answers for it
    team: support
    purpose: answer customers and refund small amounts
    environment: production
    expires: {expires}
    review_due: {review}
services:
  - id: crm
    owner: bob
    url: https://crm.demo.internal
    connect: 127.0.0.1:{crm}
    ca_bundle: {root}
    allow_private_addresses: true
    trust: internal
    tools:
      - {{name: get_customer, effect: read, route: {{method: GET, path: "/v1/customers/{{customer}}"}}}}
      - {{name: export_customers, effect: read, route: {{method: GET, path: /v1/exports/customers}}}}
      - {{name: list_refunds, effect: read, route: {{method: GET, path: /v1/refunds}}}}
      - {{name: watch_events, effect: read, route: {{method: GET, path: /v1/events}}}}
      - name: create_refund
        effect: pay
        route: {{method: POST, path: /v1/refunds}}
        input_schema:
          type: object
          required: [customer, amount]
          properties: {{customer: {{type: string}}, amount: {{type: integer}}}}
    bindings:
      - {{id: crm-key, secret: "file:{secret}", methods: [GET, POST], paths: ["/v1/*"]}}
  - id: notes
    owner: bob
    protocol: mcp
    url: https://notes.demo.internal/mcp
    connect: 127.0.0.1:{notes}
    ca_bundle: {root}
    allow_private_addresses: true
    trust: internal
    tools:
      - {{name: search_notes, effect: read}}
      - {{name: delete_note, effect: delete}}
datasets:
  - id: customers
    owner: olivia
    sensitivity: confidential
    labels: [personal]
    selectors: [{{service: crm, tools: [get_customer], access: read}}]
  - id: customer-exports
    owner: olivia
    sensitivity: restricted
    labels: [personal]
    selectors: [{{service: crm, tools: [export_customers], access: read}}]
"""

POLICIES = """\
// Everybody in support, and their agents, may use the tools of both services, but for deleting.
@id("support-tools")
permit (principal, action, resource)
when { resource is Service };

@id("no-deleting")
@reason("notes are kept for the auditor")
forbid (principal, action == Action::"notes/delete_note", resource);

// Refunds above 100.00 want the owner's word, for this exact refund, once.
@id("large-refunds")
@hold("owner")
@expires("15m")
@reason("refunds above 100.00 need sign-off")
forbid (principal, action == Action::"crm/create_refund", resource)
when { context.arguments.amount > 10000 };

// Single customers may be read; bulk exports may not.
@id("read-customers")
permit (principal, action == Action::"read", resource == Dataset::"customers");
"""


@dataclass(slots=True)
class Stage:
    """A running demo: where it is, and what its programs were told."""

    directory: Path
    crm_key: str
    task: str
    console: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    agent: subprocess.Popen[str] | None = None

    @property
    def config(self) -> Path:
        return self.directory / "countersign.yaml"

    @property
    def agents_file(self) -> Path:
        return self.directory / "inventory" / "inventory.yaml"

    def command(self, *arguments: str) -> list[str]:
        """A `countersign` command on this stage."""
        return [sys.executable, "-m", "proxy.cli", *arguments, "--config", str(self.config)]

    def ask(self, *arguments: str) -> Any:
        """What a `countersign` command says as JSON."""
        done = subprocess.run([*self.command(*arguments), "--json"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CountersignError(f"countersign {' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

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


@contextlib.contextmanager
def open_stage() -> Iterator[Stage]:
    """Everything started on free loopback ports; everything ended and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="countersign-demo-") as name:
        stage = Stage(Path(name), crm_key=secrets.token_urlsafe(24), task="task_refund-for-ada")
        try:
            _start(stage)
            yield stage
        finally:
            for process in reversed(stage.processes):
                process.terminate()
            for process in reversed(stage.processes):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe:
                        pipe.close()


def _start(stage: Stage) -> None:
    files = make_server_files(stage.directory / "tls", HOSTS)
    ports = {name: _service(stage, name, str(files.chain), str(files.key)) for name in ("crm", "notes")}
    secret = stage.directory / "crm.key"
    secret.touch(mode=0o600)
    secret.write_text(stage.crm_key)
    today = datetime.now(UTC).date()
    for folder in ("inventory", "policies"):
        (stage.directory / folder).mkdir()
    stage.config.write_text(SETTINGS)
    stage.agents_file.write_text(
        INVENTORY.format(
            **ports,
            root=files.root,
            secret=secret,
            expires=today + timedelta(days=30),
            review=today + timedelta(days=14),
        )
    )
    (stage.directory / "policies" / "support.cedar").write_text(POLICIES)
    _serve(stage)
    _start_agent(stage)


def _start_agent(stage: Stage) -> None:
    """The agent program, under `countersign run`: one handle, one task, for Alice."""
    command = stage.command("run", "--agent", "support-bot", "--for", "alice", "--task", stage.task)
    stage.agent = subprocess.Popen(
        [*command, "--", sys.executable, "-m", "proxy.demo.agent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stage.processes.append(stage.agent)


def _service(stage: Stage, name: str, *arguments: str) -> int:
    environment = {**os.environ, "CRM_KEY": stage.crm_key}
    process = subprocess.Popen(
        [sys.executable, "-m", f"proxy.demo.{name}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    stage.processes.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.strip().isdecimal():
        raise CountersignError(f"the demo's {name} service does not start")
    return int(line)


def _serve(stage: Stage) -> None:
    process = subprocess.Popen(stage.command("serve"), stderr=subprocess.PIPE, text=True)
    stage.processes.append(process)
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith("console"):
            stage.console = line.split()[1]
        if line.strip() == "ready":
            # what it says later is read too, or it would wait for us with a full pipe
            threading.Thread(target=stage.words.extend, args=(process.stderr,), daemon=True).start()
            return
    raise CountersignError("countersign serve does not start:\n" + "".join(lines))


def person_client(stage: Stage, person: str) -> httpx.Client:
    """The public API, as this person: what the console's buttons call."""
    token = stage.ask("person", "token", person)["token"]
    return httpx.Client(base_url=stage.console, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
