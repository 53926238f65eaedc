"""Calls that are decided `hold`, a small inventory around them, and a hold service over any store."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from policies.model import Clause, DatasetUse, Decision, Json, Outcome, Requirement
from proxy.facts import Agent, Dataset, Deputy, Inventory, Person, Service, Team, Tool
from proxy.holds.model import ActionKey, Hold
from proxy.holds.sealing import Sealer
from proxy.holds.service import HoldOptions, HoldService
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
    Restraint,
)
from telemetry.ids import new_id

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z
OWNER_SIGNS = Requirement((Clause(("owner", "deputy")),), 900, 600, ("refunds need the owner",), ("r1",), "void it")
TWO_SIGN = Requirement((Clause(("owner", "deputy")), Clause(("team:security",))), 900, 600)
TEAM_SIGNS = Requirement((Clause(("team:security",)),), 900, 600)


def inventory(*, version: str = "v1", owner: str | None = "olga", inactive: tuple[str, ...] = ()) -> Inventory:
    """Olga owns the agent, Dan is her deputy, Sara and Sven are security, Rita is who agents act for."""
    people = {
        name: Person(
            id=name,
            name=name.title(),
            teams=("security",) if name in {"sara", "sven"} else (),
            active=name not in inactive,
        )
        for name in ("olga", "dan", "sara", "sven", "rita", "nora", "dora")
    }
    deputy = Deputy(person="dan", start=date(2026, 1, 1), end=date(2026, 12, 31))
    agent = Agent(
        id="refunds",
        owner=owner,
        technical_owner="nora",
        deputies=(deputy,),
        purpose="refunds",
        expires=date(2027, 1, 1),
        review_due=date(2027, 1, 1),
    )
    service = Service(id="crm", owner="nora", url="https://crm.example", tools=(Tool(name="refund", effect="pay"),))
    return Inventory(
        version=version,
        people=people,
        teams={"security": Team(id="security")},
        agents={"refunds": agent},
        services={"crm": service},
        datasets={"customers": Dataset(id="customers", owner="dora"), "orders": Dataset(id="orders", owner="nora")},
    )


def decided(
    arguments: Mapping[str, Json] | None = None,
    *,
    requirement: Requirement | None = OWNER_SIGNS,
    root: str | None = None,
    task: str = "task_1",
    datasets: tuple[str, ...] = (),
    outcome: Outcome = Outcome.HOLD,
    not_after: float = NOW + 86_400,
    restraints: tuple[Restraint, ...] = (),
) -> Decided:
    """A refund by the agent `refunds`, for itself or on behalf of `root`."""
    arguments = {"amount": 450, "customer": "c_8812"} if arguments is None else arguments
    world = inventory()
    agent, service = world.agents["refunds"], world.services["crm"]
    me = Principal("agent", "refunds")
    human = Principal("human", root) if root else None
    chain = Chain(human, (Hop(human, me, "verified", "handle", "sha256:0"),)) if human else Chain(me)
    proven = Proven(
        "refunds", "handle", "hnd_1", NOW - 60, not_after, task, root, scopes=("handle:hnd_1", f"task:{task}")
    )
    identity = Identity(agent, world.people["olga"], chain, proven, (*proven.scopes, "agent:refunds", "owner:olga"))
    body = json.dumps(dict(arguments)).encode()
    request = Request("POST", "https", "crm.example", 443, "/v1/refunds", "", (), body)
    arrived = Arrived(new_id("call"), NOW, "conn_1", "connect", "127.0.0.1", request)
    call = Call(
        "rest",
        service,
        service.tools[0],
        "crm/refund",
        arguments,
        tuple(DatasetUse(name, "read") for name in datasets),
        "sha256:" + hashlib.sha256(body).hexdigest(),
        body,
    )
    decision = Decision(outcome, (), "p1", requirement)
    scopes = ("connection:conn_1", "service:crm", "tool:crm/refund")
    return Decided(Described(Attributed(arrived, identity), call), decision, scopes, restraints)


def hold(**changes: Any) -> Hold:
    """A pending hold."""
    fields: dict[str, Any] = {
        "id": new_id("hld"),
        "key": ActionKey("refunds", "sha256:chain", "sha256:9f2c41aa"),
        "task": "task_1",
        "root": "",
        "service": "crm",
        "operation": "crm/refund",
        "datasets": (),
        "owner": "olga",
        "display_digest": "sha256:display",
        "policy_version": "p1",
        "requirement": OWNER_SIGNS,
        "created_at": NOW,
        "decide_by": NOW + 900,
    }
    return Hold(**{**fields, **changes})


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Records:
    """An audit log in memory, that can be out of order."""

    written: list[dict[str, Any]] = field(default_factory=list)
    broken: Exception | None = None

    async def __call__(self, record: Mapping[str, Json]) -> int:
        if self.broken is not None:
            raise self.broken
        self.written.append(dict(record))
        return len(self.written) - 1

    def types(self) -> list[str]:
        return [record["type"] for record in self.written]


@dataclass
class Desk:
    """One process: a hold service over a store, with everything around it in the test's hands."""

    store: Any
    clock: Clock = field(default_factory=Clock)
    records: Records = field(default_factory=Records)
    world: Inventory = field(default_factory=inventory)
    options: HoldOptions = field(default_factory=lambda: HoldOptions(inline_wait=0.0))
    sealer: Sealer = field(default_factory=lambda: Sealer(bytes(32)))
    notified: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service = HoldService(
            self.store,
            self.sealer,
            self.records,
            inventory=lambda: self.world,
            options=self.options,
            clock=self.clock,
            notify=lambda kind, hold_id: self.notified.append((kind, hold_id)),
        )

    async def approve(self, hold_id: str, person: str = "olga", **how: Any) -> Any:
        return await self._vote(hold_id, person, "approve", **how)

    async def deny(self, hold_id: str, person: str = "olga", reason: str = "needs a ticket", **how: Any) -> Any:
        return await self._vote(hold_id, person, "deny", reason=reason, **how)

    async def _vote(self, hold_id: str, person: str, decision: Any, **how: Any) -> Any:
        details: Any = {"channel": "test", "assurance": "session", "now": self.clock(), **how}
        return await self.service.vote(hold_id, person, decision, **details)


def store_path(place: Path) -> Path:
    return place / "countersign.db"
