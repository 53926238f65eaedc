"""What newer files take away, laid over the inventory in force before all that they say can be: it never adds."""

import hashlib
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Inventory, Partner, Process
from proxy.inventory.ownership import Standing, partner_standing, process_standing, standing

# Whatever a standing hangs on. One that is forgotten here is not let through: what still stands is disabled.
_OF_AGENTS = ("owner", "deputies", "partner", "agent_class", "expires", "review_due", "review_interval_days", "enabled")
_OF_PROCESSES = ("owner", "expires", "review_due", "review_interval_days", "enabled")

type _Judge[F] = Callable[[F], Standing]
type _Judges[F] = tuple[_Judge[F], _Judge[F], _Judge[F]]  # as it was, without who left, and by the files


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The inventory without what is lost: `lost` names people, agents, processes and partners by `kind:ID`."""

    inventory: Inventory
    lost: tuple[str, ...] = ()


def narrowed(
    now: Inventory, files: Inventory, ended: frozenset[str], today: date, *, handing: bool = False
) -> Narrowed:
    """`now`, in which nobody is active and nothing stands that `files` or `ended` no longer let be.

    `files` is the newest whole inventory, in force or not; `ended` is what was said to be inactive since.
    While `files` are being put in force (`handing`), what they hand from who leaves to somebody who is there goes on.
    """
    left = _names("person", ended)
    people = {name for name, one in now.people.items() if one.active and (name in left or not _active(name, files))}
    inventory = now
    if people:
        inactive = {name: now.people[name].model_copy(update={"active": False}) for name in people}
        update = {"people": {**now.people, **inactive}, "left": now.left | people}
        inventory = now.model_copy(update=update)
    partners = _partners(inventory, files, today)
    if partners:
        inventory = inventory.model_copy(update={"partners": {**inventory.partners, **partners}})
    agents, handed = _less(
        inventory.agents,
        files.agents,
        _names("agent", ended),
        _OF_AGENTS,
        _judges(standing, (now, inventory, files), today),
    )
    processes, passed_on = _less(
        inventory.processes,
        files.processes,
        _names("process", ended),
        _OF_PROCESSES,
        _judges(process_standing, (now, inventory, files), today),
    )
    lost = (
        *(f"person:{name}" for name in sorted(people)),
        *(f"partner:{name}" for name in sorted(partners)),
        *(f"agent:{name}" for name in sorted(agents)),
        *(f"process:{name}" for name in sorted(processes)),
    )
    if not lost:
        return Narrowed(now)
    if not handing:
        handed, passed_on = {}, {}
    changed = "\0".join([now.version, *lost, *handed, *passed_on])
    update = {
        "version": "sha256:" + hashlib.sha256(changed.encode()).hexdigest(),
        "agents": {**inventory.agents, **agents, **handed},
        "processes": {**inventory.processes, **processes, **passed_on},
    }
    return Narrowed(inventory.model_copy(update=update), lost)


def _names(kind: str, scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(scope.partition(":")[2] for scope in scopes if scope.startswith(f"{kind}:"))


def _active(person: str, files: Inventory) -> bool:
    known = files.people.get(person)
    return known is not None and known.active


def _partners(now: Inventory, files: Inventory, today: date) -> dict[str, Partner]:
    """Those whose contract has ended by the files, or for whom nobody answers any more."""
    changed = {}
    for name, partner in now.partners.items():
        said = files.partners.get(name, partner)
        if partner_standing(partner, now, today).ok and not partner_standing(said, files, today).ok:
            changed[name] = partner.model_copy(update={"owner": said.owner, "ends": said.ends})
    return changed


def _judges[F](
    stands: Callable[[F, Inventory, date], Standing], inventories: tuple[Inventory, Inventory, Inventory], today: date
) -> _Judges[F]:
    before, here, there = inventories
    return (
        lambda one: stands(one, before, today),
        lambda one: stands(one, here, today),
        lambda one: stands(one, there, today),
    )


def _less[F: (Agent, Process)](
    now: Mapping[str, F], files: Mapping[str, F], gone: Container[str], fields: tuple[str, ...], judges: _Judges[F]
) -> tuple[dict[str, F], dict[str, F]]:
    """Those of which less passes by the files, or that are gone; and those for which others answer than who leaves."""
    less: dict[str, F] = {}
    handed: dict[str, F] = {}
    before, here, there = judges
    for name, fact in now.items():
        was = before(fact)
        said = None if name in gone else files.get(name)
        worse = said is None or _worse(was, there(said))
        fell = _worse(was, here(fact))  # with the people who left
        if not was.ok or worse == fell:
            continue
        narrow = fact if said is None else fact.model_copy(update={field: getattr(said, field) for field in fields})
        fits = _worse(was, here(narrow)) is worse
        if worse:
            less[name] = narrow if fits else fact.model_copy(update={"enabled": False})
        elif fits:
            handed[name] = narrow
    return less, handed


def _worse(before: Standing, after: Standing) -> bool:
    """Whether less passes now than before: nothing, or nothing without a person's word."""
    return before.ok and (not after.ok or (bool(after.restraints) and after.restraints != before.restraints))
