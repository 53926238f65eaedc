"""A whole path of a call over one folder: real files, real store, real log. Only the listener is missing.

Leaving it checks what must be true after anything: every record has the log's shape, the log verifies, and none
of its bytes are a secret's, a handle's or an argument's.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from policies.model import Json, Mode
from proxy.credentials.broker import Broker
from proxy.credentials.references import References
from proxy.facts import OwnershipRules
from proxy.holds.sealing import Sealer
from proxy.holds.service import HoldOptions, HoldService
from proxy.identity.handles import HandleService
from proxy.identity.resolver import Resolver
from proxy.identity.tokens import TokenVerifier
from proxy.identity.workloads import Workloads
from proxy.inventory.ownership import standing
from proxy.pipeline import Parts, Pipeline
from proxy.reload import Keeper
from proxy.stages import Answered, Arrived, Entrance, Evidence, Headers, Released, Reply, Request
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.guard import TaskGuard
from proxy.tasks.revocations import RevocationService
from proxy.tasks.service import TaskService
from proxy.tasks.unstored import UnstoredFile
from telemetry import reader
from telemetry.ids import new_id
from telemetry.record import validate
from telemetry.recorder import Recorder
from telemetry.salts import Salts
from telemetry.verify import verify

NOW = 1_795_000_000.0  # 2026-11-18
SECRET = "crm-secret-4711-abcdef"  # what upstream asks for, and no log may hold
ADA = "ada-lovelace-0815"  # an argument's value

INVENTORY = """\
people:
  - {id: alice, name: Alice Archer, teams: [support]}
  - {id: olivia, name: Olivia Owens, teams: [support]}
  - {id: bob, name: Bob Baker, teams: [security]}
teams: [{id: support}, {id: security}]
agents:
  - {id: support-bot, owner: olivia, team: support, purpose: refunds, expires: 2099-01-01, review_due: 2099-01-01}
  - {id: other-bot, owner: olivia, purpose: tests, expires: 2099-01-01, review_due: 2099-01-01}
  - {id: lonely-bot, purpose: nobody knows, expires: 2099-01-01, review_due: 2099-01-01}
services:
  - id: crm
    owner: bob
    url: https://crm.test
    connect: 127.0.0.1:8443
    allow_private_addresses: true
    trust: internal
    tools:
      - {name: get_customer, effect: read, route: {method: GET, path: "/v1/customers/{customer}"}}
      - {name: export_customers, effect: read, route: {method: GET, path: /v1/exports/customers}}
      - name: create_refund
        effect: pay
        route: {method: POST, path: /v1/refunds}
        input_schema:
          type: object
          required: [customer, amount]
          properties: {customer: {type: string}, amount: {type: integer}}
    bindings:
      - {id: crm-key, secret: "file:SECRET_FILE", methods: [GET, POST], paths: ["/v1/*"]}
  - id: notes
    owner: bob
    protocol: mcp
    url: https://notes.test/mcp
    trust: partner
    tools: [{name: search_notes, effect: read}, {name: delete_note, effect: delete}]
datasets:
  - id: customers
    owner: olivia
    sensitivity: confidential
    selectors: [{service: crm, tools: [get_customer], access: read}]
  - id: exports
    owner: olivia
    sensitivity: restricted
    selectors: [{service: crm, tools: [export_customers], access: read}]
"""

POLICIES = """\
@id("tools")
permit (principal, action, resource) when { resource is Service };

@id("no-deleting")
forbid (principal, action == Action::"notes/delete_note", resource);

@id("large-refunds")
@hold("owner")
@expires("15m")
@reason("refunds above 100.00 need sign-off")
forbid (principal, action == Action::"crm/create_refund", resource)
when { context.arguments.amount > 10000 };

@id("read-customers")
permit (principal, action == Action::"read", resource == Dataset::"customers");
"""

DENY_REFUNDS = '@id("no-refunds")\nforbid (principal, action == Action::"crm/create_refund", resource);\n'


@dataclass
class Clock:
    """Goes when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


class Broken:
    """Any part of the path, every call of which raises this error."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: Any, **__: Any) -> Any:
            raise self._error

        return fail


@dataclass
class World:
    """What a test works with. `admit` is a call of the connection `conn_1`, with a handle of `support-bot`."""

    folder: Path
    clock: Clock
    store: SqliteStore
    recorder: Recorder
    keeper: Keeper
    feed: RevocationFeed
    revocations: RevocationService
    handles: HandleService
    tasks: TaskService
    holds: HoldService
    parts: Parts
    pipeline: Pipeline
    issued: list[str] = field(default_factory=list)

    def broken(self, **parts: Any) -> None:
        """Replaces these parts of the path."""
        self.pipeline = Pipeline(replace(self.parts, **parts))

    async def handle(self, agent: str = "support-bot", *, person: str | None = "alice", task: str = "task-1") -> str:
        """A new handle."""
        handle, _ = await self.handles.issue(
            agent=agent, purpose="tests", ttl=3600, issued_by="test", now=self.clock(), task=task, on_behalf_of=person
        )
        self.issued.append(handle)
        return handle

    async def evidence(self, agent: str = "support-bot", **more: Any) -> Evidence:
        return shown(await self.handle(agent, **more))

    async def admit(self, request: Request, evidence: Evidence | None = None, **more: Any) -> Released | Reply:
        """This request through the pipeline; without evidence, with a handle of its own."""
        given = evidence or await self.evidence()
        return await self.pipeline.admit_call(arrived(request, **more), given)

    async def released(self, request: Request, **more: Any) -> Released:
        verdict = await self.admit(request, **more)
        assert isinstance(verdict, Released), verdict
        return verdict

    async def refused(self, request: Request, **more: Any) -> dict[str, Any]:
        """The problem document that this request gets."""
        return problem(await self.admit(request, **more))

    async def held(self, request: Request, **more: Any) -> str:
        """The hold of this request."""
        document = await self.refused(request, **more)
        assert document["reason"] == "approval_pending", document
        return str(document["hold_id"])

    async def approve(self, hold_id: str, person: str = "olivia") -> None:
        await self.holds.vote(hold_id, person, "approve", channel="test", assurance="session", now=self.clock())

    async def deny(self, hold_id: str, person: str = "olivia") -> None:
        await self.holds.vote(
            hold_id, person, "deny", reason="no ticket", channel="test", assurance="session", now=self.clock()
        )

    async def state(self, hold_id: str) -> str:
        return (await self.holds.get(hold_id)).state.value

    def answer(self, released: Released, status: int = 200, **more: Any) -> None:
        """The upstream's answer came."""
        now = self.clock()
        self.pipeline.answered(Answered(released, status, 17, now, now, **more))

    async def edit(self, *, inventory: str | None = None, policies: str | None = None) -> None:
        """The files after this edit, and the keeper after it has looked often enough to believe them."""
        write_files(self.folder, inventory=inventory, policies=policies)
        await self.poll()

    async def poll(self, times: int = 3) -> None:
        for _ in range(times):
            await self.keeper.poll(self.recorder.append)

    async def hear(self) -> None:
        """The feed hears of revocations now."""
        await self.feed.poll(self.clock())

    # --- the log ------------------------------------------------------------------------------------

    @property
    def log(self) -> Path:
        return self.folder / "audit"

    async def records(self, *kinds: str) -> list[dict[str, Any]]:
        """What is in the log, outcomes included; of these types only, if any are given."""
        await self.pipeline.drain()
        await self.recorder.append({"type": "proxy.started", "at": self.clock()})  # after all that was lazy
        return [record for record in reader.records(self.log) if not kinds or record["type"] in kinds]

    async def last(self, *kinds: str) -> dict[str, Any]:
        return (await self.records(*kinds))[-1]

    def salt(self, call: str) -> bytes | None:
        """What opens the commitment of this call, as it is kept on the disk."""
        self.recorder._salts.flush()
        return Salts(self.log / "salts").find(call)

    def check_log(self) -> None:
        """After the recorder is closed."""
        for record in reader.records(self.log):
            validate(record)
        report = verify(self.log)
        assert report.ok, [str(finding) for finding in report.findings]
        written = b"".join(path.read_bytes() for path in (self.log / "entries").iterdir())
        for secret in (SECRET, ADA, *self.issued):
            assert secret.encode() not in written, f"{secret} is in the log"


def write_files(folder: Path, *, inventory: str | None = None, policies: str | None = None) -> None:
    """The inventory and the policies, each if given."""
    for name, text in (("inventory/inventory.yaml", inventory), ("policies/support.cedar", policies)):
        if text is not None:
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace("SECRET_FILE", str(folder / "crm.key")))


@contextlib.asynccontextmanager
async def world(
    folder: Path,
    *,
    inventory: str = INVENTORY,
    policies: str = POLICIES,
    mode: Mode = Mode.ENFORCE,
    wait: float = 0.0,
    rules: OwnershipRules | None = None,
    workloads: Workloads | None = None,
) -> AsyncIterator[World]:
    """The path over this folder. `wait` is how long a held call stays on the line."""
    (folder / "crm.key").write_text(SECRET)
    write_files(folder, inventory=inventory, policies=policies)
    clock = Clock()
    keeper = Keeper(folder / "inventory", folder / "policies", mode, clock, rules)
    store = SqliteStore.open(folder / "store.db")
    recorder = Recorder(folder / "audit", "tests/audit", clock=clock, reserve_bytes=4096)
    recorder.start()
    this: World | None = None
    try:
        options = HoldOptions(inline_wait=wait, new_per_minute=1000, open_per_agent=1000)
        this = _assemble(folder, clock, (store, recorder, keeper), options, workloads)
        await this.hear()
        yield this
        await this.pipeline.drain()
        await this.holds.settle()
    finally:
        recorder.close()
        store.close()
    this.check_log()


def _assemble(
    folder: Path,
    clock: Clock,
    opened: tuple[SqliteStore, Recorder, Keeper],
    options: HoldOptions,
    workloads: Workloads | None,
) -> World:
    store, recorder, keeper = opened
    feed = RevocationFeed(store)
    revocations = RevocationService(store, feed, record=recorder.append, unstored=UnstoredFile(folder))
    handles = HandleService(store, revocations.revoke)
    feed.on_standing(handles.forget)
    holds = HoldService(
        store,
        Sealer(bytes(32)),
        recorder.append,
        inventory=lambda: keeper.world.inventory,
        options=options,
        clock=clock,
    )
    tasks = TaskService(store, revocations.revoke, recorder.append, lambda: keeper.world.inventory)
    feed.on_standing(tasks.forget)
    parts = Parts(
        world=lambda: keeper.world,
        resolver=Resolver(handles, TokenVerifier([]), standing, tasks.basis, None, workloads),
        tasks=TaskGuard(tasks, store),
        feed=feed,
        holds=holds,
        broker=Broker(References()),
        recorder=recorder,
        clock=clock,
    )
    return World(
        folder, clock, store, recorder, keeper, feed, revocations, handles, tasks, holds, parts, Pipeline(parts)
    )  # fmt: skip


def run(folder: Path, scenario: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """Runs one scenario in a world of its own, and checks the log after it."""

    async def main() -> None:
        async with world(folder, **options) as this:
            await scenario(this)

    asyncio.run(main())


# --- requests ------------------------------------------------------------------------------------


def shown(handle: str) -> Evidence:
    return Evidence("127.0.0.1", (("basic", handle),))


def arrived(
    request: Request,
    *,
    connection: str = "conn_1",
    entrance: Entrance = "connect",
    service: str | None = None,
    traceparent: str | None = None,
) -> Arrived:
    return Arrived(new_id("call"), NOW, connection, entrance, "127.0.0.1", request, service, traceparent)


def get(path: str = f"/v1/customers/{ADA}", *, host: str = "crm.test", headers: Headers = ()) -> Request:
    """By default a call that is allowed."""
    return Request("GET", "https", host, 443, path, "", (("host", host), *headers), b"")


def refund(amount: int = 45_000, headers: Headers = ()) -> Request:
    """Held, above 100.00."""
    body = json.dumps({"customer": ADA, "amount": amount}).encode()
    typed = (("host", "crm.test"), ("content-type", "application/json"), *headers)
    return Request("POST", "https", "crm.test", 443, "/v1/refunds", "", typed, body)


def mcp(method: str, params: dict[str, Json] | None = None, rpc_id: int = 7) -> Request:
    """A JSON-RPC message for the notes."""
    message: dict[str, Json] = {"jsonrpc": "2.0", "id": rpc_id, "method": method, "params": params or {}}
    headers = (
        ("host", "notes.test"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2025-06-18"),
    )
    return Request("POST", "https", "notes.test", 443, "/mcp", "", headers, json.dumps(message).encode())


def problem(verdict: Released | Reply | None) -> dict[str, Any]:
    """The problem document in this refusal."""
    assert isinstance(verdict, Reply), verdict
    document: dict[str, Any] = json.loads(verdict.body)
    assert document["status"] == verdict.status
    return document
