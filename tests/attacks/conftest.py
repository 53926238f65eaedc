"""A real house with a hostile service behind it, started once, and raw bytes for whoever attacks it."""

import base64
import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from proxy.demo.stage import Stage, open_stage
from tests.fakes.hostile_service import HostileService, hostile_service
from tests.fakes.waiting import PATIENCE

INVENTORY = """\
services:
  - id: hostile
    owner: bob
    url: http://127.0.0.1:{port}/api
    allow_private_addresses: true
    trust: public
    tools:
      - {{name: case, effect: read, route: {{method: GET, path: "/x/{{case}}"}}}}
      - {{name: export, effect: read, route: {{method: GET, path: /export}}}}
      - name: pay
        effect: pay
        route: {{method: POST, path: /pay}}
        input_schema: {{type: object, required: [amount], properties: {{amount: {{type: integer}}}}}}
    bindings:
      - {{id: hostile-key, secret: "file:{secret}", methods: [GET, POST], paths: ["/api/*"]}}
  - id: slashes
    owner: bob
    url: http://127.0.0.1:{port}/code
    allow_private_addresses: true
    trust: public
    paths: {{encoded_slash: allowed}}
    tools:
      - name: project
        effect: read
        route: {{method: GET, path: "/projects/{{project}}"}}
        input_schema: {{type: object, properties: {{project: {{type: string}}}}}}
      - {{name: purge, effect: delete, route: {{method: GET, path: "/projects/{{project}}/purge"}}}}
      - {{name: export_code, effect: read, route: {{method: GET, path: /admin/export}}}}
  - id: beside
    owner: bob
    url: http://127.0.0.1:{port}/code/beside
    allow_private_addresses: true
    trust: public
    tools: [{{name: look, effect: read, route: {{method: GET, path: "/{{case}}"}}}}]
  - id: keyed
    owner: bob
    url: http://127.0.0.1:{port}/maps
    allow_private_addresses: true
    trust: public
    tools: [{{name: find, effect: read, route: {{method: GET, path: "/x/{{case}}"}}}}]
    bindings:
      - {{id: keyed-key, secret: "file:{secret}", methods: [GET], paths: ["/maps/*"], query: key}}
"""
POLICIES = """
@id("no-export")
forbid (principal, action == Action::"hostile/export", resource);

@id("no-code-export")
forbid (principal, action in [Action::"slashes/export_code", Action::"slashes/purge"], resource);

@id("no-secret-project")
forbid (principal, action == Action::"slashes/project", resource)
when { context.arguments.project == "secret/plans" };

@id("no-vault")
forbid (principal, action, resource) when { context.path == "/code/projects/vault%2Fkeys" };

@id("large-payments")
@hold("owner")
@reason("large payments want sign-off")
forbid (principal, action == Action::"hostile/pay", resource)
when { context.arguments.amount > 100 };
"""


@dataclass(slots=True)
class House:
    """`answers` is what the hostile service says for each path; `credential` is a live handle of the agent."""

    stage: Stage
    service: HostileService
    answers: dict[bytes, bytes]
    handle: str
    handle_id: str

    @property
    def secret(self) -> bytes:
        return self.stage.crm_key.encode()

    @property
    def credential(self) -> str:
        return "Basic " + base64.b64encode(b"agent:" + self.handle.encode()).decode()

    def raw(self, door: str, data: bytes, within: float = PATIENCE) -> bytes:
        """All that comes back for these bytes at the `proxy` or the `gateway`, to the end of one answer."""
        with self.connected(door) as sock:
            sock.settimeout(within)
            with contextlib.suppress(ConnectionError):
                sock.sendall(data)
            return answer_of(sock)

    def ask(self, target: str, *fields: str, method: str = "GET", body: bytes = b"", known: bool = True) -> bytes:
        """One request at the gateway, as the agent if `known`."""
        lines = [f"{method} {target} HTTP/1.1", "Host: gateway", *fields]
        lines += [f"Authorization: {self.credential}"] * known
        lines += [f"Content-Length: {len(body)}"] * (method == "POST")
        return self.raw("gateway", "\r\n".join([*lines, "", ""]).encode() + body)

    @contextlib.contextmanager
    def tunnel(self, authority: str, *, tls: str = "") -> Iterator[socket.socket]:
        """A tunnel to this place; with TLS inside that asks for the name `tls`."""
        connect = f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: {self.credential}\r\n\r\n"
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(self.connected("proxy"))
            sock.sendall(connect.encode())
            answer = answer_of(sock)
            assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
            if tls:
                context = ssl.create_default_context(cafile=str(self.stage.directory / "state" / "ca" / "ca.pem"))
                sock = stack.enter_context(context.wrap_socket(sock, server_hostname=tls))
            yield sock

    def connected(self, door: str) -> socket.socket:
        url = self.stage.proxy if door == "proxy" else self.stage.gateway
        host, port = url.split("/")[2].rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=PATIENCE)


def answer_of(sock: socket.socket) -> bytes:
    """One answer, or what came of it before the end."""
    said = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := sock.recv(65536):
            said += data
            head, gap, body = said.partition(b"\r\n\r\n")
            if not gap:
                continue
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), -1
            )
            if len(body) >= length >= 0 or body.endswith(b"0\r\n\r\n") or head.startswith(b"HTTP/1.1 200 Connection"):
                break
    return said


def reason_of(answer: bytes) -> str:
    """The `reason` of a refusal, whatever its shape; empty if this is none."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"problem+json" not in head and b"isError" not in body and b'"error"' not in body:
        return ""
    document = json.loads(body)
    found = document.get("reason") or (document.get("error") or {}).get("data", {}).get("reason")
    return str(found or document["result"]["_meta"]["dev.countersign/refusal"]["reason"])


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """Everything real: services, `countersign serve`, TLS, the store, the log."""
    answers: dict[bytes, bytes] = {}
    with hostile_service(answers) as service:

        def prepare(stage: Stage) -> None:
            more = INVENTORY.format(port=service.port, secret=stage.directory / "crm.key")
            (stage.directory / "inventory" / "hostile.yaml").write_text(more)
            (stage.directory / "policies" / "hostile.cedar").write_text(POLICIES)
            text = stage.config.read_text()
            limits = "inline_wait_seconds: 0, new_per_minute: 60, open_per_agent: 50"
            stage.config.write_text(text.replace("inline_wait_seconds: 0", limits))

        with open_stage(agent=False, prepare=prepare) as stage:
            made = stage.ask("POST", "/v1/handles", {"agent": "support-bot", "on_behalf_of": "alice"})
            yield House(stage, service, answers, made["handle"], made["id"])
