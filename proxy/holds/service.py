"""Holds, whole: what the path of a call, the people and the clock do with them."""

from collections.abc import Callable, Collection, Sequence
from typing import Unpack

from proxy.errors import StoreUnavailable, refuse
from proxy.facts import Inventory
from proxy.holds.admission import Admission, HoldOptions
from proxy.holds.cards import Cards
from proxy.holds.interfaces import HoldQuery, HoldStore
from proxy.holds.ledger import Ledger, Notify, Record
from proxy.holds.mistakes import HoldError, ReservationLost
from proxy.holds.model import OPEN, Hold, State, VoteDecision
from proxy.holds.moves import Finish, GiveBack, Invalidate, LoseTrack, MarkSent, Move, Withdraw
from proxy.holds.sealing import Sealer
from proxy.holds.upkeep import Upkeep
from proxy.holds.view import HoldView, view_of
from proxy.holds.voting import VoteDetails, Voting
from proxy.stages import Claim, Decided

__all__ = ["HoldOptions", "HoldService", "HoldView"]


class HoldService:
    """One per process; the store is the truth that they share."""

    def __init__(
        self,
        store: HoldStore,
        sealer: Sealer,
        record: Record,
        *,
        inventory: Callable[[], Inventory],
        options: HoldOptions,
        clock: Callable[[], float],
        notify: Notify | None = None,
    ) -> None:
        self._ledger = Ledger(store, record, inventory, clock, notify)
        self._cards = Cards(store, sealer)
        self._admission = Admission(self._ledger, sealer, options)
        self._voting = Voting(self._ledger, self._cards)
        self._upkeep = Upkeep(self._ledger, options)
        self._seen: int | None = None
        self._unwritten: list[tuple[Claim, Move]] = []

    # --- the path of a call ------------------------------------------------------------------------------

    async def admit(self, decided: Decided, *, prefer_wait: float | None = None) -> Claim:
        """The reserved use of an approval for this held call; else `Refused`, which says how it stands."""
        return await self._admission.admit(decided, prefer_wait=prefer_wait)

    async def confirm(self, claim: Claim, decided: Decided) -> None:
        """Refuses unless the approval behind this claim is enough for a newer decision on the same call."""
        await self._admission.confirm(claim, decided)

    async def sent(self, claim: Claim) -> None:
        """Durable before the first byte goes upstream: from here on this attempt can never be repeated."""
        try:
            await self._advance(claim, MarkSent(claim.attempt_id))
        except ReservationLost as error:
            raise refuse(
                "approval_reservation_lost",
                503,
                "The approval was reserved for this call, and was taken back before the call was sent.",
                "retry",
                internal=str(error),
            ) from error

    async def finished(self, claim: Claim, status: int, error: str = "") -> None:
        """The upstream answered, whatever the status: the use is spent."""
        await self._conclude(claim, Finish(claim.attempt_id, status, error))

    async def not_sent(self, claim: Claim, why: str) -> None:
        """Not one byte went upstream: the use is given back."""
        await self._conclude(claim, GiveBack(claim.attempt_id, why))

    async def unknown(self, claim: Claim, why: str) -> None:
        """Bytes went upstream and no complete answer came. A person must find out; nothing is repeated."""
        await self._conclude(claim, LoseTrack(claim.attempt_id, why))

    # --- people ----------------------------------------------------------------------------------------------

    async def vote(
        self, hold_id: str, person_id: str, decision: VoteDecision, **details: Unpack[VoteDetails]
    ) -> HoldView:
        """The hold with this person's vote. Raises `HoldError`; a vote that comes too late is kept, and raises."""
        return await self._view(await self._voting.vote(hold_id, person_id, decision, details))

    async def revoke(self, hold_id: str, person_id: str, *, reason: str, now: float) -> HoldView:
        """The hold, ended by a person before its call was made."""
        return await self._view(await self._voting.revoke(hold_id, person_id, reason, now))

    async def reconcile(self, hold_id: str, person_id: str, *, executed: bool, evidence: str, now: float) -> HoldView:
        """The hold whose outcome was unknown, with what a person found out."""
        return await self._view(await self._voting.reconcile(hold_id, person_id, evidence, now, executed=executed))

    async def get(self, hold_id: str) -> HoldView:
        """The hold as people see it; raises `HoldNotFound`."""
        return await self._view(await self._ledger.current(hold_id))

    async def list(self, state: str | None = None, person: str | None = None, limit: int = 200) -> list[HoldView]:
        """Newest first. `state` is a state, `open`, or None for all; `person` may decide, voted, or answers for it."""
        states = _states(state)
        stored = await self._ledger.store.list_holds(HoldQuery(states, limit))
        holds = [await self._ledger.now(hold) for hold in stored]
        views = await self._views([hold for hold in holds if not states or hold.state in states])
        return [view for view in views if person is None or _concerns(view, person)]

    # --- agents, by the status resource ---------------------------------------------------------------------

    async def find(self, hold_id: str) -> Hold | None:
        """The hold as it is now, without its card; None if there is no such hold."""
        return await self._ledger.find(hold_id)

    async def withdraw(self, hold_id: str, agent: str) -> Hold:
        """The hold, withdrawn by the agent that asked for it."""
        return await self._ledger.insist(await self._ledger.current(hold_id), Withdraw(agent))

    # --- the world changes -----------------------------------------------------------------------------------

    async def invalidate(self, hold_id: str, reason: str) -> Hold:
        """The hold, ended because what was asked for no longer exists in this form."""
        return await self._ledger.insist(await self._ledger.current(hold_id), Invalidate(reason))

    async def invalidate_for(
        self, scopes: Collection[str], *, by: str = "proxy", reason: str = "", now: float | None = None
    ) -> int:
        """End what waits, and take back what is approved, under these revocation scopes. How many ended."""
        if not scopes:
            return 0
        code = reason or f"{min(scopes).partition(':')[0]}_revoked"
        return await self._upkeep.end_under(scopes, by, code, self._ledger.clock() if now is None else now)

    async def scopes(self) -> frozenset[str]:
        """Every scope that `invalidate_for` would find anything under."""
        return await self._ledger.store.scopes_of_open_holds()

    async def changed(self) -> None:
        """Another process changed something: wake the calls that wait for it here."""
        waiters = self._ledger.waiters
        if not waiters:
            self._seen = None
            return
        seen = self._seen
        self._seen, holds = await self._ledger.store.hold_changes(seen)
        if seen is None:
            waiters.wake_all()
        else:
            waiters.wake(holds)

    async def recover(self, now: float) -> None:
        """Before the listener opens: settle what this gate's predecessor left, and what time has ended."""
        await self._upkeep.recover(now)

    async def sweep(self, now: float) -> None:
        """Now and then, in any process: clocks, lost reservations, outcomes and records not yet written."""
        while self._unwritten:
            claim, move = self._unwritten[0]
            await self._advance(claim, move)
            self._unwritten.pop(0)
        await self._upkeep.sweep(now)

    async def settle(self) -> None:
        """Wait for what was begun in the background."""
        await self._admission.settle()

    # --- inside ------------------------------------------------------------------------------------------------

    async def _advance(self, claim: Claim, move: Move) -> Hold:
        return await self._ledger.insist(await self._ledger.current(claim.hold_id), move)

    async def _conclude(self, claim: Claim, move: Move) -> None:
        """Write how an attempt ended; if the store cannot, the sweep tries again, and a restart settles it."""
        try:
            await self._advance(claim, move)
        except StoreUnavailable:
            self._unwritten.append((claim, move))
            raise

    async def _view(self, hold: Hold) -> HoldView:
        (view,) = await self._views([hold])
        return view

    async def _views(self, holds: Sequence[Hold]) -> Sequence[HoldView]:
        ledger = self._ledger
        return [
            view_of(hold, card, ledger.eligibility(hold), ledger.answering(hold), ledger.waiters.count(hold.id))
            for hold, card in zip(holds, await self._cards.read(holds), strict=True)
        ]


def _states(state: str | None) -> frozenset[State]:
    if state in {None, "all"}:
        return frozenset()
    if state == "open":
        return OPEN
    try:
        return frozenset({State(state)})
    except ValueError as error:
        known = ", ".join(["open", "all", *State])
        raise HoldError(f"`{state}` is not a state of a hold: use one of {known}") from error


def _concerns(view: HoldView, person: str) -> bool:
    return person == view.answers or person in view.may_decide or any(vote.person == person for vote in view.votes)
