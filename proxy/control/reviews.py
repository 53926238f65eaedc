"""Recertification: what is due, and the owner's word that it is still needed, or its end."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from policies.model import Json
from proxy.control.callers import Caller, may_see_agent, signer, speaks_for
from proxy.control.ending import EndingDesk
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.errors import Declined
from proxy.facts import (
    Agent,
    Attestation,
    Dataset,
    Inventory,
    OwnershipRules,
    Partner,
    Process,
    Service,
    accountable,
)
from proxy.inventory.orphans import Orphan, orphans
from proxy.inventory.ownership import (
    Review,
    Standing,
    agent_review,
    interval_days,
    process_review,
    process_standing,
    standing,
)
from proxy.strict_json import canonical
from telemetry.ids import new_id

SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One agent or business process. `due` None: an attestation is needed now. `digest` stands for all that is shown.

    `answers` is who is accountable today, if anyone: the owner, or a deputy. `standing` is empty, or a code for why
    nothing of it passes. `changed`: the facts are others than when its owner
    attested them last.
    """

    what: str
    fact: Agent | Process
    owner: str
    answers: str
    due: date | None
    days: int
    overdue: bool
    standing: str
    detail: str
    last: Attestation | None
    changed: bool
    digest: str
    soon: bool
    may_attest: bool
    may_end: bool

    @property
    def kind(self) -> str:
        return self.what.partition(":")[0]


class ReviewDesk:
    """Reviews of one caller. Only the accountable owner attests; where configured, deputies within their dates too."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal, ending: EndingDesk) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal
        self._ending = ending

    def list(self, *, every: bool = False) -> list[ReviewItem]:
        """What is due soon, or everything; the most urgent first."""
        items = [item for item in self._items() if every or item.soon or item.standing]
        return sorted(items, key=lambda item: (item.due or date.min, item.what))

    def get(self, what: str) -> ReviewItem:
        """This one. Unknown and not visible are the same answer."""
        for item in self._items(what):
            return item
        raise Declined(404, "review_unknown", "there is nothing of this name to review, or it is not yours to see")

    def orphans(self) -> Sequence[Orphan]:
        """What has lost its owner, as far as this caller may see it."""
        return [one for one in orphans(self._deps.inventory(), self._today()) if self._sees(one.what)]

    async def attest(self, what: str, digest: str, note: str) -> ReviewItem:
        """The owner has looked at exactly this, and says that it is still needed. On record, then in force."""
        deps = self._deps
        person = signer(self._caller, operator_may_sign=deps.operator_may_sign)
        async with deps.ownership.changing:
            item = self.get(what)
            self._check(item, digest)
            said = Attestation(
                id=new_id("att"),
                what=what,
                owner=item.owner,
                agent_class=item.fact.agent_class if isinstance(item.fact, Agent) else "",
                digest=_facts_digest(item.fact),
                person=person.id,
                at=deps.clock(),
                note=required_reason(note),
            )
            details = [f"attestation={said.id}", f"owner={said.owner}", f"class={said.agent_class or what}",
                       f"facts={said.digest}", f"due={item.due or 'now'}"]  # fmt: skip
            await self._journal.write("review.attested", what, kind="attest", reason=said.note, details=details)
            if not await deps.ownership.attest(said, item.last.id if item.last else ""):
                raise _stale()
        return self.get(what)

    async def end(self, what: str, reason: str) -> None:
        """It is no longer needed: nothing of it passes when this returns."""
        self.get(what)
        await self._ending.revoke(what, reason)

    def _check(self, item: ReviewItem, digest: str) -> None:
        if not item.may_attest:
            raise Declined(403, "not_the_owner", "only its accountable owner attests this; nobody can do it for them")
        if item.standing in {"agent_expired", "process_expired"}:
            raise Declined(409, item.standing, "it has expired: extend it in the inventory first, or end it")
        if digest != item.digest:
            raise _stale()

    def _items(self, only: str = "") -> Iterator[ReviewItem]:
        inventory, today = self._deps.inventory(), self._today()
        for agent in inventory.agents.values():
            what = f"agent:{agent.id}"
            if only in {"", what} and self._sees(what):
                yield self._item(what, agent, agent_review(agent, inventory), standing(agent, inventory, today))
        for process in inventory.processes.values():
            what = f"process:{process.id}"
            if only in {"", what} and self._sees(what):
                review, found = process_review(process, inventory), process_standing(process, inventory, today)
                yield self._item(what, process, review, found)

    def _item(self, what: str, fact: Agent | Process, review: Review, found: Standing) -> ReviewItem:
        today, inventory = self._today(), self._deps.inventory()
        last = inventory.attestations.get(what)
        facts, ended = _facts_digest(fact), self._ended(what)
        answers = self._caller.is_operator or self._is_owner(fact) or self._is_deputy(fact)
        return ReviewItem(
            what=what,
            fact=fact,
            owner=fact.owner or "",
            answers=_answers(fact, inventory, today),
            due=review.due,
            days=(review.due - today).days if review.due else -1,
            overdue=review.due is None or today > review.due,
            standing="ended" if ended else found.reason,
            detail="" if ended else found.detail,
            last=last,
            changed=last is not None and last.digest != facts,
            digest=_digest({"facts": facts, "last": last.id if last else "", "due": str(review.due)}),
            soon=review.due is None or (review.due - today).days <= _soon(fact, inventory.rules),
            may_attest=not ended and self._may_attest(fact),
            may_end=not ended and (answers or self._is_technical_owner(fact)),
        )

    def _may_attest(self, fact: Agent | Process) -> bool:
        deputies = self._deps.inventory().rules.deputies_attest
        return self._is_owner(fact) or (deputies and fact.owner is not None and self._is_deputy(fact))

    def _is_owner(self, fact: Agent | Process) -> bool:
        person = self._caller.person
        return person is not None and person.active and person.id == fact.owner

    def _is_deputy(self, fact: Agent | Process) -> bool:
        person, today = self._caller.person, self._today()
        if person is None or not person.active:
            return False
        return any(one.person == person.id and one.start <= today <= one.end for one in fact.deputies)

    def _is_technical_owner(self, fact: Agent | Process) -> bool:
        person = self._caller.person
        return person is not None and isinstance(fact, Agent) and person.id == fact.technical_owner

    def _ended(self, scope: str) -> bool:
        return bool(self._deps.revocations.epochs.standing(scope, ["revoke"]))

    def _sees(self, what: str) -> bool:
        kind, _, name = what.partition(":")
        deps, caller = self._deps, self._caller
        if kind == "agent":
            return may_see_agent(caller, name, deps.inventory(), deps.auditors, deps.clock())
        if caller.is_operator or (caller.person is not None and bool(deps.auditors & {*caller.person.teams})):
            return True
        fact = _owned(kind, name, deps.inventory())
        return fact is not None and caller.person is not None and speaks_for(caller.person, fact, deps.clock())

    def _today(self) -> date:
        return datetime.fromtimestamp(self._deps.clock(), UTC).date()


def _owned(kind: str, name: str, inventory: Inventory) -> Process | Partner | Service | Dataset | None:
    match kind:
        case "process":
            return inventory.processes.get(name)
        case "partner":
            return inventory.partners.get(name)
        case "service":
            return inventory.services.get(name)
        case "dataset":
            return inventory.datasets.get(name)
        case _:
            return None


def _answers(fact: Agent | Process, inventory: Inventory, today: date) -> str:
    person = accountable(fact, inventory, today)
    return person.id if person is not None else ""


def _soon(fact: Agent | Process, rules: OwnershipRules) -> int:
    """How many days before it is due a review is asked for: a third of its interval, at most a month."""
    return min(SOON_DAYS, interval_days(fact, rules) // 3)


def _facts_digest(fact: Agent | Process) -> str:
    """Of every fact that the inventory has of it: what the owner is shown, and what they attest."""
    return _digest(fact.model_dump(mode="json"))


def _digest(value: Json) -> str:
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def _stale() -> Declined:
    return Declined(409, "stale", "this has changed since you looked at it: look again, then attest")
