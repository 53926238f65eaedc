"""A control process around a real store and real services; only the audit log is a list in memory."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import httpx

from policies.model import Clause, Decision, Json, Outcome, Requirement
from proxy.control.api import create_api
from proxy.control.door import Door
from proxy.control.events import EventFeed
from proxy.control.guard import PEER, Peer
from proxy.control.needs import ControlDeps, Written
from proxy.control.ownership import Ownership
from proxy.control.people import PeopleService
from proxy.errors import CountersignError, Mistake, Refused
from proxy.facts import Agent, Deputy, Held, Inventory, OwnershipRules, Person, Service, Team, Tool
from proxy.holds.sealing import Sealer
from proxy.holds.service import HoldOptions, HoldService
from proxy.holds.view import HoldView
from proxy.identity.handles import HandleService
from proxy.inventory.documents import BeforeKept, Kept
from proxy.inventory.held import in_force
from proxy.inventory.overlay import Overlay
from proxy.stages import (
    Arrived,
    Attributed,
    Call,
    Chain,
    Decided,
    Described,
    Hop,
    Identity,
    Principal,
    Proven,
    Request,
)
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.revocations import RevocationService
from proxy.tasks.service import TaskService
from proxy.tasks.task import Task
from proxy.tasks.unstored import UnstoredFile
from telemetry.errors import AuditUnavailable
from telemetry.ids import new_id
from telemetry.record import timestamp
from tests.fakes.tasks import new_task

ORIGIN = "http://127.0.0.1:8700"
FAR = date(2099, 1, 1)
NOW = 1_795_000_000.0


def inventory() -> Inventory:
    """Alice owns the support bot, Bob the builder; Carol audits; Dave has left."""
    people = [
        Person(id="alice", name="Alice Almond", teams=("support",)),
        Person(id="bob", name="Bob Birch", teams=("platform",)),
        Person(id="carol", name="Carol Cedar", teams=("soc",)),
        Person(id="dave", name="Dave Dogwood", active=False),
        Person(id="eve", name="Eve Elm", teams=("security",)),
        Person(id="frank", name="Frank Fir"),
    ]
    agents = [
        Agent(
            id="support-bot",
            owner="alice",
            purpose="Answers customers and refunds orders",
            ticket="OPS-7",
            team="support",
            expires=FAR,
            review_due=FAR,
            deputies=(Deputy(person="eve", start=date(2020, 1, 1), end=FAR),),
        ),
        Agent(id="builder", owner="bob", purpose="Builds releases", expires=FAR, review_due=FAR),
        Agent(id="stray", owner=None, purpose="Nobody knows", expires=FAR, review_due=FAR),
    ]
    service = Service(
        id="payments", owner="bob", url="https://payments.example", tools=(Tool(name="refund", effect="pay"),)
    )
    return Inventory(
        version="sha256:1",
        people={person.id: person for person in people},
        teams={"support": Team(id="support"), "soc": Team(id="soc")},
        agents={agent.id: agent for agent in agents},
        services={"payments": service},
        datasets={},
    )


class Log:
    """An audit log in memory. `broken` makes it refuse, as a full disk would."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.records: list[dict[str, Any]] = []
        self.broken = False
        self._clock = clock

    async def append(self, record: Mapping[str, Json]) -> int:
        if self.broken:
            raise AuditUnavailable("the disk is full")
        index = len(self.records)
        said = dict(record)
        at = said.pop("at", None)  # as the real one: it becomes the time of the record
        ts = timestamp(at if isinstance(at, float) else self._clock())
        self.records.append({"ts": ts, **said, "idx": index, "log": "test", "id": f"r{index}"})
        return index

    async def recent(self, limit: int) -> list[dict[str, Any]]:
        return [record for record in self.records if record.get("call")][-limit:][::-1]

    async def older(self, place: tuple[int, ...] | None, limit: int) -> list[tuple[dict[str, Any], tuple[int, ...]]]:
        before = len(self.records) if place is None else place[0]
        rows = [record for record in self.records[:before] if record.get("call")][::-1][:limit]
        return [(row, (row["idx"],)) for row in rows]

    async def calls_since(self, place: tuple[int, ...], limit: int) -> frozenset[str]:
        return frozenset(record.get("call", "") for record in self.records[place[0] :][:limit])

    async def of_call(self, call_id: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record.get("call") == call_id]

    async def of_transaction(self, txn: str) -> list[dict[str, Any]]:
        return [record for record in self.records if "downstream" in record and record["trace"]["id"] == txn]

    def types(self) -> list[str]:
        """What has been recorded, by type, in order."""
        return [record["type"] for record in self.records]


class NoSources:
    """An `Inventories` of files alone."""

    def entries(self) -> list[Written]:
        return [Written("agents", "support-bot", "inventory/agents.yaml:1", "")]

    def kept(self) -> list[Kept]:
        return []

    async def accept(self, source: str, raw: bytes, before_kept: BeforeKept) -> list[Mistake]:
        raise CountersignError(f"`{source}` is no source")


GIVEN: dict[str, Json] = {"amount": 450, "currency": "EUR", "customer": "c_8812"}


class House:
    """Everything behind the control API, in one folder. `now` moves only when a test moves it."""

    def __init__(
        self, folder: Path, *, origins: tuple[str, ...] = (ORIGIN,), responders: frozenset[str] = frozenset()
    ) -> None:
        self.now = NOW
        self.written = self.facts = inventory()
        self.rules = OwnershipRules()
        self.store = SqliteStore.open(folder / "store.db")
        self.log = Log(lambda: self.now)
        self.holds = HoldService(
            self.store,
            Sealer(bytes(32)),
            self.log.append,
            inventory=lambda: self.facts,
            options=HoldOptions(inline_wait=0.0, new_per_minute=1000, open_per_agent=1000),
            clock=lambda: self.now,
        )
        self.revocations = RevocationService(
            self.store, RevocationFeed(self.store), record=self.log.append, unstored=UnstoredFile(folder)
        )
        self.handles = HandleService(self.store, self.revocations.revoke)
        self.tasks = TaskService(self.store, self.revocations.revoke, self.log.append, lambda: self.facts)
        self.people = PeopleService(self.store, lambda: self.facts)
        self.held = Held()
        self.overlay = Overlay(self.store, self._hold)
        self.ownership = Ownership(self.store, self.overlay, self.people)
        self.ready: str | None = None
        self.deps = ControlDeps(
            holds=self.holds,
            handles=self.handles,
            tasks=self.tasks,
            revocations=self.revocations,
            records=self.log,
            people=self.people,
            ownership=self.ownership,
            inventories=NoSources(),
            inventory=lambda: self.facts,
            record=self.log.append,
            status=self._status,
            ready=self._ready,
            metrics=lambda: "countersign_calls_total 3\n",
            clock=lambda: self.now,
            origins=origins,
            auditors=frozenset({"soc"}),
            responders=responders,
            operator_may_sign=True,
        )
        self.feed = EventFeed(self.holds, self.log)
        self.serve()

    def serve(self) -> None:
        """The API over what is needed now."""
        self.door = Door(self.deps, self.feed)
        self.app: Any = create_api(self.deps, self.door)

    def _hold(self, held: Held) -> None:
        self.held = held
        self.facts = in_force(self.written, held, self.rules)

    def write(self, inventory: Inventory | None = None, **rules: Any) -> None:
        """Other files, or other rules, are in force from now on."""
        self.written = inventory or self.written
        self.rules = self.rules.model_copy(update=rules)
        self._hold(self.held)

    async def _ready(self) -> str | None:
        return self.ready

    async def _status(self) -> dict[str, Json]:
        return {"mode": "enforce", "policy_version": "sha256:1"}

    def close(self) -> None:
        self.store.close()

    # --- people ------------------------------------------------------------------------------------

    async def token(self, person: str) -> str:
        issued = await self.people.issue_token(person, ttl=3600, by="test", now=self.now)
        return issued.secret

    async def session(self, person: str) -> str:
        issued = await self.people.open_with_token(await self.token(person), self.now)
        assert issued is not None
        return issued.secret

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client of the TCP port; without `authorization` it is nobody."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("127.0.0.1", 5))
        return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)

    async def person(self, person: str) -> httpx.AsyncClient:
        """A client with this person's token."""
        return self.client(authorization=f"Bearer {await self.token(person)}")

    def operator(self, uid: int = 0, **headers: str) -> httpx.AsyncClient:
        """A client of the operator's socket, run by this user."""

        async def over_socket(scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "state": {PEER: Peer(uid=uid, pid=1)}, "client": None}, receive, send)

        transport = httpx.ASGITransport(over_socket, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://countersign", headers=headers)

    # --- tasks -------------------------------------------------------------------------------------

    async def begin(self, *, parent: str | None = None, by: str = "person:alice", **changes: Any) -> Task:
        """An active task: the support bot refunds for Frank, or as `changes` say."""
        part: dict[str, Any] = {"principal": None} if parent else {"principal": Principal("human", "frank")}
        wanted = {"deadline": self.now + 600, "tools": ("payments/refund",), "datasets": ()} | part | changes
        return await self.tasks.create(new_task(**wanted), parent=parent, by=by, now=self.now)

    # --- held calls --------------------------------------------------------------------------------

    async def hold(
        self,
        arguments: dict[str, Json] | None = None,
        *,
        agent: str = "support-bot",
        roles: tuple[tuple[str, ...], ...] = (("owner",),),
        purpose: str | None = None,
    ) -> HoldView:
        """A call of this agent, held for these roles, one clause each."""
        if purpose is not None:
            changed = self.facts.agents[agent].model_copy(update={"purpose": purpose})
            self.facts = self.facts.model_copy(update={"agents": {**self.facts.agents, agent: changed}})
        given = GIVEN if arguments is None else arguments
        try:
            await self.holds.admit(self.decided(given, agent, roles))
        except Refused as refused:
            return await self.holds.get(str(refused.refusal.extra["hold_id"]))
        raise AssertionError("the call was not held")

    async def approved(self) -> HoldView:
        """A refund of Alice's agent that Alice has approved."""
        view = await self.hold()
        return await self.holds.vote(view.id, "alice", "approve", channel="api", assurance="token", now=self.now)

    async def lost(self) -> HoldView:
        """An approved refund that was sent, and of which no complete answer came."""
        view = await self.approved()
        claim = await self.holds.admit(self.decided(GIVEN, "support-bot", (("owner",),)))
        await self.holds.sent(claim)
        await self.holds.unknown(claim, "reset")
        return await self.holds.get(view.id)

    def decided(self, arguments: dict[str, Json], agent: str, roles: tuple[tuple[str, ...], ...]) -> Decided:
        """A held refund."""
        facts = self.facts
        body = repr(arguments).encode("utf-8", "backslashreplace")
        request = Request("POST", "https", "payments.example", 443, "/v1/refunds", "", (), body)
        root, end = Principal("human", "frank"), Principal("agent", agent)
        chain = Chain(root, (Hop(root, end, "verified", "handle", "sha256:e"),))
        proven = Proven(agent, "handle", "hnd_1", self.now, self.now + 3600, "task_1", on_behalf_of="frank")
        known = facts.agents[agent]
        identity = Identity(known, facts.people[known.owner or "alice"], chain, proven, (f"agent:{agent}",))
        arrived = Arrived(new_id("call"), self.now, "conn", "connect", "127.0.0.1", request)
        service = facts.services["payments"]
        digest = "sha256:" + hashlib.sha256(agent.encode() + body).hexdigest()
        call = Call("rest", service, service.tools[0], "payments/refund", arguments, (), digest, body)
        requirement = Requirement(
            tuple(Clause(each) for each in roles), 900, 600, ("A refund above 200 EUR needs its owner.",), ("refunds",)
        )
        decision = Decision(Outcome.HOLD, (), "sha256:policy", requirement, would=Outcome.HOLD)
        return Decided(Described(Attributed(arrived, identity), call), decision)

    async def tell_calls(self) -> None:
        """Three calls in the log: one served, one refused, one of another owner's agent."""
        for call, agent, owner in (("call_1", "support-bot", "alice"), ("call_3", "builder", "bob")):
            await self.log.append(
                call_record("call.decided", call, agent, owner)
                | {"decision": {"outcome": "allow", "rules": ["read-ok"]}}
            )
            await self.log.append(
                {"type": "call.completed", "call": call, "upstream": {"status": 200, "bytes": 17, "total_us": 1500}}
            )
        await self.log.append(
            call_record("call.refused", "call_2", "support-bot", "alice")
            | {"decision": {"outcome": "deny"}, "error": {"reason": "no_permit", "status": 403}}
        )


def call_record(type_: str, call: str, agent: str, owner: str) -> dict[str, Any]:
    return {
        "type": type_,
        "call": call,
        "task": "task_1",
        "trace": {"id": "4bf92f3577b34da6a3ce929d0e0e4736"},
        "principal": {"kind": "human", "id": "frank"},
        "agent": {"id": agent, "owner": owner, "src": "handle", "identity": "hnd_1"},
        "delegation": {
            "chain": ["human:frank", f"agent:{agent}"], "levels": ["verified"], "depth": 1, "integrity": "verified",
        },
        "action": {
            "proto": "rest", "method": "POST", "service": "payments", "tool": "refund", "operation": "payments/refund",
            "path": "/v1/refunds", "dst": "payments.example:443", "dst_class": "public", "effect": "pay",
            "datasets": ["write:ledger"], "digest": "sha256:aa",
        },
    }  # fmt: skip


def run[T](scenario: Callable[[], Awaitable[T]]) -> T:
    """Runs one scenario to its end."""

    async def main() -> T:
        return await scenario()

    return asyncio.run(main())


def wall() -> float:
    """The real time, for houses that a browser visits."""
    return time.time()
