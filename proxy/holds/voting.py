"""What people do with a hold: vote, take back, find out."""

from typing import NotRequired, TypedDict

from proxy.holds.card import display_digest
from proxy.holds.cards import Cards
from proxy.holds.ledger import Ledger
from proxy.holds.mistakes import AlreadyDecided, HoldError, NotEligible, Stale, Unreadable
from proxy.holds.model import Hold, State, Vote, VoteDecision
from proxy.holds.moves import Cast, Reconcile, Revoke

LONGEST_REASON = 2000


class VoteDetails(TypedDict):
    """How a vote was given. `row_version` and `action_digest` are those that the person looked at."""

    reason: NotRequired[str]
    row_version: NotRequired[int | None]
    action_digest: NotRequired[str | None]
    channel: str
    assurance: str
    now: float


class Voting:
    """Raises `HoldError` for a person's mistake; then nothing has changed."""

    def __init__(self, ledger: Ledger, cards: Cards) -> None:
        self._ledger = ledger
        self._cards = cards

    async def vote(self, hold_id: str, person: str, decision: VoteDecision, details: VoteDetails) -> Hold:
        """The hold with this vote counted; a vote that comes too late is kept and raises `AlreadyDecided`."""
        reason = details.get("reason", "").strip()
        if len(reason) > LONGEST_REASON:
            raise HoldError(f"the reason has {len(reason)} characters: use at most {LONGEST_REASON}")
        looked_at = details.get("row_version")
        while True:
            hold = await self._ledger.current(hold_id)
            eligibility = self._ledger.eligibility(hold)
            earlier = hold.vote_of(person)
            again = earlier is not None and earlier.decision == decision and earlier.standing == "counted"
            if hold.state is State.PENDING and looked_at not in {None, hold.row_version} and not again:
                raise Stale("this hold has changed since you looked at it: load it again")
            if decision == "approve" and hold.state is State.PENDING and eligibility.roles_of(person):
                await self._require_readable(hold)
            vote = Vote(
                person,
                decision,
                details["now"],
                reason=reason,
                channel=details["channel"],
                assurance=details["assurance"],
                action_digest=details.get("action_digest") or hold.key.action_digest,
                display_digest=hold.display_digest,
            )
            moved = await self._ledger.move(hold, Cast(vote, eligibility), details["now"])
            if moved is None:
                continue  # someone was faster: look again
            counted = moved.vote_of(person)
            if counted is None or counted.standing != "counted":
                raise AlreadyDecided(f"this hold is already {moved.state.value}")
            return moved

    async def revoke(self, hold_id: str, person: str, reason: str, now: float) -> Hold:
        """The hold, ended before its call was made; raises `TooLate` once that is on its way."""
        hold = await self._answerable(hold_id, person)
        return await self._ledger.insist(hold, Revoke(f"person:{person}", "revoked", reason), now)

    async def reconcile(self, hold_id: str, person: str, evidence: str, now: float, *, executed: bool) -> Hold:
        """The hold with its outcome, as this person has found it out."""
        hold = await self._answerable(hold_id, person)
        return await self._ledger.insist(hold, Reconcile(person, executed, evidence), now)

    async def _answerable(self, hold_id: str, person: str) -> Hold:
        hold = await self._ledger.current(hold_id)
        active = self._ledger.inventory().people.get(person)
        may = person == self._ledger.answering(hold) or bool(self._ledger.eligibility(hold).roles_of(person))
        if active is None or not active.active or not may:
            raise NotEligible("only its accountable owner, or someone who could approve this hold, may do that")
        return hold

    async def _require_readable(self, hold: Hold) -> None:
        """Nobody approves what cannot be shown, or is not what was shown."""
        (card,) = await self._cards.read([hold])
        if not card or display_digest(card) != hold.display_digest:
            raise Unreadable("what this hold would allow cannot be shown, so it cannot be approved; deny it")
