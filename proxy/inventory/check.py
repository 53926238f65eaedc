"""What the inventory's keepers should know before it matters: mistakes, and warnings that refuse no file."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Agent, AnyBinding, Dataset, Obtained, Service
from proxy.inventory.load import Loaded, load_inventory
from proxy.inventory.ownership import standing
from proxy.inventory.read import Entry

SOON = timedelta(days=14)
_FIX = {
    "agent_disabled": ("enabled", "set `enabled: true` when it may call again"),
    "agent_owner_missing": ("owner", "name the one person who answers for it"),
    "agent_owner_unknown": ("owner", "add this person, or name another owner"),
    "agent_owner_inactive": ("owner", "name an active owner"),
    "agent_expired": ("expires", "extend it, or remove the agent"),
    "agent_review_overdue": ("review_due", "let its owner review it, and set the next date"),
}


@dataclass(frozen=True, slots=True)
class InventoryCheck:
    """`loaded` is there only if there is no mistake."""

    loaded: Loaded | None
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]


def check_inventory(path: Path, today: date, environment: Container[str]) -> InventoryCheck:
    """Everything wrong with this inventory, and everything that will be refused on traffic because of it."""
    try:
        loaded = load_inventory(path)
    except ConfigurationError as wrong:
        return InventoryCheck(None, wrong.mistakes, ())
    return InventoryCheck(loaded, (), tuple(warnings(loaded, today, environment)))


def warnings(loaded: Loaded, today: date, environment: Container[str]) -> Iterator[Mistake]:
    """What loads, but will refuse calls today or soon. `environment` holds the names of its variables."""
    reading = loaded.reading
    for agent in reading.agents.values():
        yield from _agent(loaded, agent, today)
    for service in reading.services.values():
        yield from _owner(loaded, service)
        yield from _secrets(loaded, service, environment)
    for dataset in reading.datasets.values():
        yield from _owner(loaded, dataset)
        if not dataset.fact.selectors:
            yield dataset.mistake("has no selectors, so no call is ever seen to use it", "selectors")


def _agent(loaded: Loaded, entry: Entry[Agent], today: date) -> Iterator[Mistake]:
    agent = entry.fact
    found = standing(agent, loaded.inventory, today)
    if not found.ok:
        field, fix = _FIX[found.reason]
        yield entry.mistake(f"all its calls are refused ({found.reason}): {fix}", field)
        return
    for field, day in (("expires", agent.expires), ("review_due", agent.review_due)):
        if day - today <= SOON:
            yield entry.mistake(f"is on {day}, in {(day - today).days} day(s); then its calls are refused", field)


def _owner(loaded: Loaded, entry: Entry[Service] | Entry[Dataset]) -> Iterator[Mistake]:
    owner = entry.fact.owner
    if not loaded.inventory.people[owner].active:
        yield entry.mistake(f"`{owner}` is no longer active, so nobody can sign for it; name another owner", "owner")


def _secrets(loaded: Loaded, entry: Entry[Service], environment: Container[str]) -> Iterator[Mistake]:
    for index, binding in enumerate(loaded.inventory.services[entry.fact.id].bindings):
        for field, file in _files(binding):
            if not file.is_file():
                why = f"the file `{shown(file)}` does not exist"
                yield entry.mistake(f"{why}; calls that need it are refused until it is", "bindings", index, field)
        for field, reference in binding.references.items():
            kind, _, name = reference.partition(":")
            if kind == "env" and name not in environment:
                why = f"the variable `{name}` is not set here"
                yield entry.mistake(f"{why}; calls that need it are refused until it is", "bindings", index, field)


def _files(binding: AnyBinding) -> Iterator[tuple[str, Path]]:
    """The files that a binding reads; not those whose names depend on the call."""
    for field, reference in binding.references.items():
        if reference.startswith("file:") and "{" not in reference:
            yield field, Path(reference.removeprefix("file:"))
    if isinstance(binding, Obtained) and binding.ca_bundle is not None:
        yield "ca_bundle", Path(binding.ca_bundle)
