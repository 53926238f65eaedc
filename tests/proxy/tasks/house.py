"""A task service over a real store, with an audit log that is a list."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from policies.model import Json
from proxy.facts import Agent, Inventory, OwnershipRules
from proxy.storage.sqlite import SqliteStore
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.guard import TaskGuard
from proxy.tasks.revocations import RevocationService
from proxy.tasks.service import TaskService
from telemetry.errors import AuditUnavailable


class TaskHouse:
    """`broken` makes the log refuse. Several houses may stand on one folder, as several processes would."""

    def __init__(self, folder: Path) -> None:
        self.store = SqliteStore.open(folder / "store.db")
        self.feed = RevocationFeed(self.store)
        self.revocations = RevocationService(self.store, self.feed)
        self.records: list[dict[str, Any]] = []
        self.broken = False
        self.facts = Inventory(version="1", people={}, teams={}, agents={}, services={}, datasets={})
        self.tasks = TaskService(self.store, self.revocations.revoke, self.append, lambda: self.facts)
        self.feed.on_standing(self.tasks.forget)
        self.guard = TaskGuard(self.tasks, self.store)

    def reclassify(self, *agents: str, task_seconds: int = 60) -> None:
        """These agents are privileged from now on, and no other one is."""
        far = date(2099, 1, 1)
        known = {
            one: Agent(id=one, owner="bob", purpose="x", expires=far, review_due=far, agent_class="privileged")
            for one in agents
        }
        rules = OwnershipRules(privileged_task_seconds=task_seconds)
        self.facts = self.facts.model_copy(update={"agents": known, "rules": rules})

    async def append(self, record: Mapping[str, Json]) -> int:
        if self.broken:
            raise AuditUnavailable("the disk is full")
        self.records.append(dict(record))
        return len(self.records)

    def told(self) -> list[tuple[str, str]]:
        """What is on record: type, and the state that followed."""
        return [(record["type"], record["change"]["after"]) for record in self.records]

    def close(self) -> None:
        self.store.close()
