"""What newer files take away, laid over the inventory in force before all that they say can be: it never adds."""

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from proxy.facts import Agent, Dataset, Inventory, Owned, Partner, Person, Process, Service
from proxy.inventory.ownership import Standing, answered_for, partner_standing, process_standing, standing

# Whatever a standing hangs on. One that is forgotten here is not let through: what still stands is disabled.
_OF_AGENTS = ("owner", "deputies", "partner", "agent_class", "expires", "review_due", "review_interval_days", "enabled")
_OF_PROCESSES = ("owner", "deputies", "expires", "review_due", "review_interval_days", "enabled")
_OF_PARTNERS = ("owner", "deputies", "ends")
_OF_OTHERS = ("owner", "deputies")

type _Judge[F] = Callable[[F], Standing]
type _Judges[F] = tuple[_Judge[F], _Judge[F], _Judge[F]]  # as it was, without who left, and by the files


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The inventory without what is lost: `lost` names it by `kind:ID`."""

    inventory: Inventory
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found[F]:
    """What of one kind is lost, or `handed` on from who leaves to somebody else: each as it is then."""

    lost: dict[str, F]
    handed: dict[str, F]

    def over(self, inventory: Mapping[str, F], *, handing: bool) -> dict[str, F]:
        return {**inventory, **self.lost, **(self.handed if handing else {})}


type _AnyFound = _Found[Partner] | _Found[Agent] | _Found[Process] | _Found[Service] | _Found[Dataset]


def narrowed(
    now: Inventory, files: Inventory, ended: frozenset[str], today: date, *, handing: bool = False
) -> Narrowed:
    """`now`, in which nobody is active and nothing stands that `files` or `ended` no longer let be.

    `files` is the newest whole inventory, in force or not; `ended` is what was said to be inactive since.
    While `files` are being put in force (`handing`), what they hand from who leaves to somebody who is there goes on;
    whoever is new in them is there for that by name alone: they can show themselves by nothing yet.
    """
    left, gone = _without_people(now, files, _names("person", ended))
    met = _with_people(left, _newcomers(left, files)) if handing else left
    partners = _unanswered(
        now.partners, files.partners, _OF_PARTNERS, _judges(partner_standing, (now, met, files), today)
    )
    met = met.model_copy(update={"partners": partners.over(met.partners, handing=handing)})
    three = (now, met, files)
    agents = _less(now.agents, files.agents, _names("agent", ended), _OF_AGENTS, _judges(standing, three, today))
    processes = _less(
        now.processes, files.processes, _names("process", ended), _OF_PROCESSES,
        _judges(process_standing, three, today),
    )  # fmt: skip
    services = _unanswered(now.services, files.services, _OF_OTHERS, _judges(answered_for, three, today))
    datasets = _unanswered(now.datasets, files.datasets, _OF_OTHERS, _judges(answered_for, three, today))
    found: Mapping[str, _AnyFound]
    found = {"partner": partners, "agent": agents, "process": processes, "service": services, "dataset": datasets}
    lost = (*gone, *(f"{kind}:{name}" for kind, one in found.items() for name in sorted(one.lost)))
    if not lost:
        return Narrowed(now)
    handed = [(f"{kind}:{name}", fact) for kind, one in found.items() for name, fact in one.handed.items()]
    named = _answering(fact for _, fact in handed) if handing else frozenset()
    changed = "\0".join([now.version, *lost, *((name for name, _ in handed) if handing else ()), *sorted(named)])
    update = {
        "version": "sha256:" + hashlib.sha256(changed.encode()).hexdigest(),
        "partners": met.partners,
        "agents": agents.over(now.agents, handing=handing),
        "processes": processes.over(now.processes, handing=handing),
        "services": services.over(now.services, handing=handing),
        "datasets": datasets.over(now.datasets, handing=handing),
    }
    newcomers = [one for one in _newcomers(left, files) if one.id in named]
    return Narrowed(_with_people(left, newcomers).model_copy(update=update), lost)


def _without_people(now: Inventory, files: Inventory, left: frozenset[str]) -> tuple[Inventory, tuple[str, ...]]:
    """`now` without whoever has left by the files, and who that is."""
    people = {name for name, one in now.people.items() if one.active and (name in left or not _active(name, files))}
    if not people:
        return now, ()
    inactive = [now.people[name].model_copy(update={"active": False}) for name in people]
    without = _with_people(now, inactive).model_copy(update={"left": now.left | people})
    return without, tuple(f"person:{name}" for name in sorted(people))


def _with_people(inventory: Inventory, people: Iterable[Person]) -> Inventory:
    return inventory.model_copy(update={"people": {**inventory.people, **{one.id: one for one in people}}})


def _newcomers(now: Inventory, files: Inventory) -> list[Person]:
    """Whom only the files know, without anything by which they could show themselves, or be let see something."""
    return [
        Person(id=one.id, name=one.name) for one in files.people.values() if one.active and one.id not in now.people
    ]


def _answering(facts: Iterable[Owned]) -> frozenset[str]:
    """Whoever may be asked to answer for these."""
    return frozenset(name for fact in facts for name in (fact.owner, *(one.person for one in fact.deputies)) if name)


def _names(kind: str, scopes: frozenset[str]) -> frozenset[str]:
    return frozenset(scope.partition(":")[2] for scope in scopes if scope.startswith(f"{kind}:"))


def _active(person: str, files: Inventory) -> bool:
    known = files.people.get(person)
    return known is not None and known.active


def _unanswered[F: (Partner, Service, Dataset)](
    now: Mapping[str, F], files: Mapping[str, F], fields: tuple[str, ...], judges: _Judges[F]
) -> _Found[F]:
    """Those for whom nobody answers any more by the files, or whose contract has ended; and those handed on."""
    found: _Found[F] = _Found({}, {})
    before, here, there = judges
    for name, fact in now.items():
        said = files.get(name, fact)
        narrow = fact.model_copy(update={field: getattr(said, field) for field in fields})
        if here(fact).ok and not there(said).ok:
            found.lost[name] = narrow
        elif before(fact).ok and not here(fact).ok and there(said).ok and here(narrow).ok:
            found.handed[name] = narrow
    return found


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
) -> _Found[F]:
    """Those of which less passes by the files, or that are gone; and those for which others answer than who leaves."""
    found: _Found[F] = _Found({}, {})
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
            found.lost[name] = narrow if fits else fact.model_copy(update={"enabled": False})
        elif fits:
            found.handed[name] = narrow
    return found


def _worse(before: Standing, after: Standing) -> bool:
    """Whether less passes now than before: nothing, or nothing without a person's word."""
    return before.ok and (not after.ok or (bool(after.restraints) and after.restraints != before.restraints))
