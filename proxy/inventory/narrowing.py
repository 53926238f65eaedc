"""What newer files take away, laid over the inventory in force before all that they say can be: it never adds."""

import hashlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Dataset, Inventory, Partner, Process, Service
from proxy.inventory.ownership import Standing, answered_for, partner_standing, process_standing, standing

# Whatever a standing hangs on. One that is forgotten here is not let through: what still stands is disabled.
_OF_AGENTS = ("owner", "deputies", "partner", "agent_class", "expires", "review_due", "review_interval_days", "enabled")
_OF_PROCESSES = ("owner", "deputies", "expires", "review_due", "review_interval_days", "enabled")
_OF_PARTNERS = ("owner", "deputies", "ends")
_OF_OTHERS = ("owner", "deputies")

type _Judges[F] = tuple[Callable[[F], Standing], Callable[[F], Standing]]  # by what is in force, and by the files


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The inventory without what is lost: `lost` names it by `kind:ID`."""

    inventory: Inventory
    lost: tuple[str, ...] = ()


def narrowed(now: Inventory, files: Inventory, ended: frozenset[str], today: date) -> Narrowed:
    """`now`, in which nobody is active and nothing stands that `files` or `ended` no longer let be.

    `files` is the newest whole inventory, in force or not; `ended` is what was said to be inactive since.
    """
    inventory, gone = _without_people(now, files, _names("person", ended), today)
    agents = _less(
        inventory.agents,
        files.agents,
        _names("agent", ended),
        _OF_AGENTS,
        (lambda agent: standing(agent, inventory, today), lambda agent: standing(agent, files, today)),
    )
    processes = _less(
        inventory.processes,
        files.processes,
        _names("process", ended),
        _OF_PROCESSES,
        (lambda one: process_standing(one, inventory, today), lambda one: process_standing(one, files, today)),
    )
    others = (lambda one: answered_for(one, inventory, today), lambda one: answered_for(one, files, today))
    services = _unanswered(inventory.services, files.services, _OF_OTHERS, others)
    datasets = _unanswered(inventory.datasets, files.datasets, _OF_OTHERS, others)
    lost = (
        *gone,
        *(f"agent:{name}" for name in sorted(agents)),
        *(f"process:{name}" for name in sorted(processes)),
        *(f"service:{name}" for name in sorted(services)),
        *(f"dataset:{name}" for name in sorted(datasets)),
    )
    if not lost:
        return Narrowed(now)
    update = {
        "version": "sha256:" + hashlib.sha256("\0".join([now.version, *lost]).encode()).hexdigest(),
        "agents": {**inventory.agents, **agents},
        "processes": {**inventory.processes, **processes},
        "services": {**inventory.services, **services},
        "datasets": {**inventory.datasets, **datasets},
    }
    return Narrowed(inventory.model_copy(update=update), lost)


def _without_people(
    now: Inventory, files: Inventory, left: frozenset[str], today: date
) -> tuple[Inventory, tuple[str, ...]]:
    """`now` without whoever has left, and the partners whom nobody answers for by the files; and who that is."""
    people = {name for name, one in now.people.items() if one.active and (name in left or not _active(name, files))}
    inventory = now
    if people:
        inactive = {name: now.people[name].model_copy(update={"active": False}) for name in people}
        update = {"people": {**now.people, **inactive}, "left": now.left | people}
        inventory = now.model_copy(update=update)
    partners = _unanswered(
        inventory.partners,
        files.partners,
        _OF_PARTNERS,
        (lambda one: partner_standing(one, now, today), lambda one: partner_standing(one, files, today)),
    )
    if partners:
        inventory = inventory.model_copy(update={"partners": {**inventory.partners, **partners}})
    return inventory, (
        *(f"person:{name}" for name in sorted(people)),
        *(f"partner:{name}" for name in sorted(partners)),
    )


def _names(kind: str, scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(scope.partition(":")[2] for scope in scopes if scope.startswith(f"{kind}:"))


def _active(person: str, files: Inventory) -> bool:
    known = files.people.get(person)
    return known is not None and known.active


def _unanswered[F: (Partner, Service, Dataset)](
    now: Mapping[str, F], files: Mapping[str, F], fields: tuple[str, ...], judges: _Judges[F]
) -> dict[str, F]:
    """Those for whom nobody answers any more by the files, or whose contract has ended, with what they say of it."""
    here, there = judges
    changed = {}
    for name, fact in now.items():
        said = files.get(name, fact)
        if here(fact).ok and not there(said).ok:
            changed[name] = fact.model_copy(update={field: getattr(said, field) for field in fields})
    return changed


def _less[F: (Agent, Process)](
    now: Mapping[str, F], files: Mapping[str, F], gone: Container[str], fields: tuple[str, ...], judges: _Judges[F]
) -> dict[str, F]:
    """Those of which less passes by the files, with what they say of it; and those that are gone, disabled."""
    changed: dict[str, F] = {}
    here, there = judges
    for name, fact in now.items():
        before = here(fact)
        said = None if name in gone else files.get(name)
        if not before.ok or (said is not None and not _worse(before, there(said))):
            continue
        narrow = fact if said is None else fact.model_copy(update={field: getattr(said, field) for field in fields})
        if not _worse(before, here(narrow)):
            narrow = fact.model_copy(update={"enabled": False})
        changed[name] = narrow
    return changed


def _worse(before: Standing, after: Standing) -> bool:
    """Whether less passes now than before: nothing, or nothing without a person's word."""
    return before.ok and (not after.ok or (bool(after.restraints) and after.restraints != before.restraints))
