"""When an owner leaves, the SOC is told, once, and what was approved is void."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import pytest

from policies.model import Json
from proxy.app.orphans import OrphanWatch
from proxy.facts import Agent, Deputy, Inventory, OwnershipRules, Person, Service
from telemetry.errors import AuditUnavailable
from telemetry.record import RECORD_TYPES

NOW = 1_795_000_000.0
FAR = date(2099, 1, 1)


def inventory(*, active: bool = True, facts: dict[str, Any] | None = None, **rules: Any) -> Inventory:
    people = (Person(id="olivia", name="O", active=active), Person(id="eve", name="E"))
    deputies = (Deputy(person="eve", start=date(2020, 1, 1), end=date(2026, 11, 18)),)  # NOW is that day
    told = {"owner": "olivia", "purpose": "p", "expires": FAR, "review_due": FAR, "deputies": deputies}
    agent = Agent(id="bot", **(told | (facts or {})))
    return Inventory(
        version="v", people={one.id: one for one in people}, teams={}, agents={"bot": agent}, datasets={},
        services={"crm": Service(id="crm", owner="olivia", url="https://crm.test", deputies=deputies)},
        rules=OwnershipRules(**rules),
    )  # fmt: skip


class Around:
    """What the watch works with."""

    def __init__(self) -> None:
        self.inventory = inventory()
        self.now = NOW
        self.records: list[dict[str, Any]] = []
        self.void: list[str] = []
        self.reasons: list[str] = []
        self.broken = False
        self.watch = OrphanWatch(lambda: self.inventory, self, self.record, lambda: self.now)

    async def record(self, record: Mapping[str, Json]) -> None:
        if self.broken:
            raise AuditUnavailable("full")
        self.records.append(dict(record))

    async def invalidate_for(self, scopes: Collection[str], *, by: str, reason: str) -> int:
        assert by == "countersign"
        self.void += scopes
        self.reasons.append(reason)
        return 1

    def look(self) -> list[tuple[str, str, str]]:
        """What is told by one look."""
        before = len(self.records)
        asyncio.run(self.watch.look())
        return [(one["type"], one["change"]["what"], one["change"]["kind"]) for one in self.records[before:]]


def test_it_is_told_once_and_what_was_approved_is_void(caplog: pytest.LogCaptureFixture) -> None:
    """For everything that they owned; when it has an owner again, that is told too."""
    around = Around()
    assert around.look() == []
    around.inventory = inventory(active=False)
    assert around.look() == [
        ("ownership.orphaned", "agent:bot", "refuse"), ("ownership.orphaned", "service:crm", "refuse"),
    ]  # fmt: skip
    assert set(around.void) == {"agent:bot", "service:crm"}
    assert around.reasons == ["owner_left", "agent_owner_inactive", "service_owner_inactive"]
    assert around.records[0]["change"]["details"] == ["owner=olivia", "deputy=nobody", "found=now"]
    assert "agent:bot has lost its owner `olivia`: all its calls are refused" in caplog.text
    around.inventory = inventory(active=False)
    assert around.look() == []
    around.inventory = inventory()
    assert sorted(around.look()) == [
        ("ownership.restored", "agent:bot", "refuse"), ("ownership.restored", "service:crm", "refuse"),
    ]  # fmt: skip
    assert {one["type"] for one in around.records} <= RECORD_TYPES


def test_a_handover_is_told_and_its_end_as_well() -> None:
    """What the owner signed is void although a deputy answers now; when the deputy's dates end, nobody does."""
    around = Around()
    around.look()
    around.inventory = inventory(active=False, when_owner_leaves="deputy")
    assert around.look()[0] == ("ownership.orphaned", "agent:bot", "deputy")
    assert around.void == ["agent:bot"]  # of the service, what others signed stands
    around.now += 86_400
    assert around.look() == [
        ("ownership.orphaned", "agent:bot", "refuse"), ("ownership.orphaned", "service:crm", "refuse"),
    ]  # fmt: skip
    assert around.void[1:] == ["agent:bot", "agent:bot", "service:crm"]


def test_at_a_start_it_is_told_again() -> None:
    """What a deputy let pass before the restart stands; what is refused is void."""
    around = Around()
    around.inventory = inventory(active=False, when_owner_leaves="deputy")
    assert around.look()[0] == ("ownership.orphaned", "agent:bot", "deputy")
    assert around.void == []
    assert around.records[0]["change"]["details"][-1] == "found=start"
    again = Around()
    again.inventory = inventory(active=False)
    again.look()
    assert set(again.void) == {"agent:bot", "service:crm"}


def test_what_cannot_be_recorded_is_told_by_the_next_look() -> None:
    """Nothing is forgotten because a disk was full for a while, and nothing is told twice."""
    around = Around()
    around.look()
    around.inventory, around.broken = inventory(active=False), True
    with pytest.raises(AuditUnavailable):
        around.look()
    around.broken = False
    assert len(around.look()) == 2
    assert around.look() == []
    asyncio.run(around.watch.follow())
    assert len(around.records) == 2


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"expires": date(2026, 11, 19)}, "agent_expired"),
        ({"review_due": date(2026, 11, 18)}, "agent_review_overdue"),
    ],
)
def test_what_was_approved_is_void_when_a_day_ends_the_agent(facts: dict[str, Any], reason: str) -> None:
    """Once, at midnight: it must not wait for the day on which the agent is extended or attested."""
    around = Around()
    around.inventory = inventory(facts=facts)
    around.look()
    assert around.void == []
    around.now += 86_400
    around.look()
    around.inventory = inventory(facts=facts)
    around.look()
    assert (around.void, around.reasons) == (["agent:bot"], [reason])
    around.inventory = inventory(facts={"expires": date(2026, 11, 1)})
    around.look()
    assert around.reasons == [reason]


def test_what_was_approved_is_void_when_an_edit_ends_the_agent_also_at_a_start() -> None:
    """Disabled, or without an owner; and what fell while nobody was here."""
    for facts, reason in (({"enabled": False}, "agent_disabled"), ({"owner": None}, "agent_owner_missing")):
        around = Around()
        around.inventory = inventory(facts=facts)
        around.look()
        assert (around.void, around.reasons) == (["agent:bot"], [reason])
