"""What the inventory's keepers should know before it matters: mistakes, and warnings that refuse no file."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import (
    Agent,
    AnyBinding,
    Dataset,
    Held,
    Obtained,
    OwnershipRules,
    Partner,
    Process,
    Service,
    accountable,
)
from proxy.inventory.files import take_snapshot
from proxy.inventory.held import in_force
from proxy.inventory.load import Loaded, build
from proxy.inventory.ownership import Standing, process_standing, standing
from proxy.inventory.read import Entry
from proxy.inventory.review_dates import Horizon

SOON = timedelta(days=14)
_FIX = {
    "agent_disabled": ("enabled", "set `enabled: true` when it may call again"),
    "agent_owner_missing": ("owner", "name the one person who answers for it"),
    "agent_owner_unknown": ("owner", "add this person, or name another owner"),
    "agent_owner_inactive": ("owner", "name an active owner"),
    "agent_expired": ("expires", "extend it, or remove the agent"),
    "agent_review_overdue": ("review_due", "let its owner attest it (`countersign review`), or set the next date"),
    "agent_unattested": ("agent_class", "let its owner attest it as privileged (`countersign review`)"),
    "partner_unknown": ("partner", "add this partner, or remove it here"),
    "partner_owner_inactive": ("partner", "name an active owner of the partner"),
    "partner_contract_ended": ("partner", "write down the new contract, or remove the agent"),
    "process_disabled": ("enabled", "set `enabled: true` when agents may act for it again"),
    "process_owner_inactive": ("owner", "name an active owner"),
    "process_expired": ("expires", "extend it, or remove the process"),
    "process_review_overdue": ("review_due", "let its owner attest it (`countersign review`), or set the next date"),
}

_FOLLOWS: Mapping[type, str] = {
    Service: "all calls to it are",
    Dataset: "all calls that touch it are",
    Partner: "all calls of the agents that it hosts are",
}


@dataclass(frozen=True, slots=True)
class InventoryCheck:
    """`loaded` is there only if there is no mistake."""

    loaded: Loaded | None
    mistakes: tuple[Mistake, ...]
    warnings: tuple[Mistake, ...]


def check_inventory(
    path: Path,
    today: date,
    environment: Container[str],
    documents: Sequence[Path] = (),
    rules: OwnershipRules | None = None,
) -> InventoryCheck:
    """Everything wrong with this inventory, and everything that will be refused on traffic because of it.

    What was attested or deactivated since lies in the store, which is not looked into.
    """
    rules = rules or OwnershipRules()
    try:
        loaded = build(take_snapshot(path, documents=documents), Horizon(today, rules.longest_review_days))
    except ConfigurationError as wrong:
        return InventoryCheck(None, wrong.mistakes, ())
    ruled = in_force(loaded.inventory, Held(), rules)
    return InventoryCheck(loaded, (), tuple(warnings(replace(loaded, inventory=ruled), today, environment)))


def warnings(loaded: Loaded, today: date, environment: Container[str]) -> Iterator[Mistake]:
    """What loads, but will refuse calls today or soon. `environment` holds the names of its variables."""
    reading = loaded.reading
    for agent in reading.agents.values():
        yield from _agent(loaded, agent, today)
    for process in reading.processes.values():
        yield from _process(loaded, process, today)
    for partner in reading.partners.values():
        yield from _partner(loaded, partner, today)
    for service in reading.services.values():
        yield from _owner(loaded, service, today)
        yield from _secrets(loaded, service, environment)
    for dataset in reading.datasets.values():
        yield from _owner(loaded, dataset, today)
        if not dataset.fact.selectors:
            yield dataset.mistake("has no selectors, so no call is ever seen to use it", "selectors")


def _agent(loaded: Loaded, entry: Entry[Agent], today: date) -> Iterator[Mistake]:
    agent = entry.fact
    found = standing(agent, loaded.inventory, today)
    yield from _instances(loaded, entry)
    if not found.ok:
        field, fix = _FIX[found.reason]
        unless = (
            " (unless that was done since: `check` does not look into the store)" if _in_store(found.reason) else ""
        )
        yield entry.mistake(f"all its calls are refused ({found.reason}): {fix}{unless}", field)
        return
    if found.deputy_for and found.owner is not None:
        yield _handed_over(entry, found.deputy_for, found.owner.id)
    yield from _restrained(entry, found)
    yield from _soon(entry, today, expires=agent.expires, review_due=agent.review_due)
    if not agent.ticket and not agent.deployment:
        text = "has neither a `ticket` nor a `deployment`, so nobody can find out where it comes from; name one"
        yield entry.mistake(text, "ticket")
    if agent.agent_class != "privileged":  # for which a date in the file does not count
        yield from _unreviewed(entry, loaded.inventory.rules, today)


def _process(loaded: Loaded, entry: Entry[Process], today: date) -> Iterator[Mistake]:
    found = process_standing(entry.fact, loaded.inventory, today)
    if not found.ok:
        field, fix = _FIX[found.reason]
        yield entry.mistake(f"no agent may act for it ({found.reason}): {fix}", field)
        return
    if found.deputy_for and found.owner is not None:
        yield _handed_over(entry, found.deputy_for, found.owner.id)
    yield from _restrained(entry, found)
    yield from _soon(entry, today, expires=entry.fact.expires, review_due=entry.fact.review_due)
    yield from _unreviewed(entry, loaded.inventory.rules, today)


def _partner(loaded: Loaded, entry: Entry[Partner], today: date) -> Iterator[Mistake]:
    yield from _owner(loaded, entry, today)
    if today >= entry.fact.ends:
        yield entry.mistake(f"was on {entry.fact.ends}; all calls of the agents that it hosts are refused", "ends")
    elif entry.fact.ends - today <= SOON:
        yield from _soon(entry, today, ends=entry.fact.ends)


def _instances(loaded: Loaded, entry: Entry[Agent]) -> Iterator[Mistake]:
    """Owners of single instances who left: those are refused while the others go on."""
    for index, each in enumerate(entry.fact.instances):
        for name, owner in each.owners.items():
            if not loaded.inventory.people[owner].active:
                text = f"`{owner}` is no longer active, so calls of this instance are refused; name another owner"
                yield entry.mistake(text, "instances", index, "owners", name)


def _soon(entry: Entry, today: date, **days: date) -> Iterator[Mistake]:
    for field, day in days.items():
        if day - today <= SOON and day >= today:
            yield entry.mistake(f"is on {day}, in {(day - today).days} day(s); then its calls are refused", field)


def _unreviewed(entry: Entry[Agent] | Entry[Process], rules: OwnershipRules, today: date) -> Iterator[Mistake]:
    """A date that whoever writes the file has put beyond a whole interval is a review that nobody does.

    Where the interval is written too, or the house has a bound, it is a mistake (`review_dates`).
    """
    if rules.longest_review_days is not None:
        return
    days, interval = (entry.fact.review_due - today).days, entry.fact.review_interval_days
    if days > interval:
        text = f"is in {days} days, longer than `review_interval_days` ({interval}) without anybody's attestation"
        yield entry.mistake(
            f"{text}; set an earlier date (or bound it by `ownership.longest_review_days`)", "review_due"
        )


def _restrained(entry: Entry, found: Standing) -> Iterator[Mistake]:
    for restraint in found.restraints:
        field, fix = _FIX[restraint.reason]
        yield entry.mistake(f"every one of its calls waits for a person ({restraint.reason}): {fix}", field)


def _in_store(reason: str) -> bool:
    return reason in {"agent_review_overdue", "agent_unattested"}


def _owner[F: (Service, Dataset, Partner)](loaded: Loaded, entry: Entry[F], today: date) -> Iterator[Mistake]:
    owner = entry.fact.owner
    answering = accountable(entry.fact, loaded.inventory, today)
    if answering is None:
        why = f"`{owner}` is no longer active, so {_FOLLOWS[type(entry.fact)]} refused; name another owner"
        yield entry.mistake(why, "owner")
    elif answering.id != owner:
        yield _handed_over(entry, owner, answering.id)


def _handed_over(entry: Entry, owner: str, deputy: str) -> Mistake:
    text = f"`{owner}` is no longer active; its deputy `{deputy}` answers for it until then; name another owner"
    return entry.mistake(text, "owner")


def _secrets(loaded: Loaded, entry: Entry[Service], environment: Container[str]) -> Iterator[Mistake]:
    for index, binding in enumerate(loaded.inventory.services[entry.fact.id].bindings):
        for field, why in missing_secrets(binding, environment):
            yield entry.mistake(why, "bindings", index, field)


def missing_secrets(binding: AnyBinding, environment: Container[str]) -> Iterator[tuple[str, str]]:
    """(the field, what is not here) of each secret of this binding that cannot be had now."""
    for field, file in _files(binding):
        if not file.is_file():
            yield field, f"the file `{shown(file)}` does not exist; calls that need it are refused until it is"
    for field, reference in binding.references.items():
        kind, _, name = reference.partition(":")
        if kind == "env" and name not in environment:
            yield field, f"the variable `{name}` is not set here; calls that need it are refused until it is"


def _files(binding: AnyBinding) -> Iterator[tuple[str, Path]]:
    """The files that a binding reads; not those whose names depend on the call."""
    for field, reference in binding.references.items():
        if reference.startswith("file:") and "{" not in reference:
            yield field, Path(reference.removeprefix("file:"))
    if isinstance(binding, Obtained) and binding.ca_bundle is not None:
        yield "ca_bundle", Path(binding.ca_bundle)
