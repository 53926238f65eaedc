"""What is put right without anyone asking: after a crash, and now and then."""

from collections.abc import Collection

from proxy.holds.admission import HoldOptions
from proxy.holds.interfaces import HoldQuery
from proxy.holds.ledger import Ledger
from proxy.holds.mistakes import HoldError
from proxy.holds.model import State
from proxy.holds.moves import GiveBack, LoseTrack, Move, Recheck, Revoke

# Events this young are still being recorded by whoever caused them.
_SETTLING = 5.0
_BATCH = 1000


class Upkeep:
    """Safe to run in several processes at once: each step is a conditional update that one of them wins."""

    def __init__(self, ledger: Ledger, options: HoldOptions) -> None:
        self._ledger = ledger
        self._options = options
        self._seen_inventory = ""

    async def recover(self, now: float) -> None:
        """At the start of a gate: whatever its predecessor of the same name left in flight is settled."""
        await self._settle_flights(self._options.node, now)
        await self.sweep(now)

    async def sweep(self, now: float) -> None:
        """Clocks that ran out, reservations that nobody uses, ground that is gone, records not yet written."""
        await self._settle_flights(None, now)
        for hold in await self._ledger.store.list_holds(HoldQuery(limit=_BATCH, overdue_at=now)):
            await self._ledger.now(hold)
        await self._recheck_open()
        await self._ledger.publish(None, now - _SETTLING)

    async def end_under(self, scopes: Collection[str], by: str, reason: str, now: float) -> int:
        """How many holds ended because their access was revoked at `now`. What is on its way is not called back."""
        ended = 0
        for hold in await self._ledger.store.holds_under(scopes):
            if hold.created_at > now:
                continue  # asked for by an identity of after the revocation
            try:
                moved = await self._ledger.insist(hold, Revoke(by, reason), now)
            except HoldError:
                continue  # sent already, or ended by someone else
            ended += moved.state in {State.CANCELLED, State.REVOKED}
        return ended

    async def _settle_flights(self, node: str | None, now: float) -> None:
        options = self._options
        flights = await self._ledger.store.holds_in_flight(
            node, now - options.reservation_life, now - options.sent_life
        )
        for hold in flights:
            attempt = hold.attempts[-1]
            move: Move = (
                GiveBack(attempt.id, "never sent")
                if attempt.state == "reserved"
                else LoseTrack(attempt.id, "the gate stopped before the answer came")
            )
            # on a lost race the owner of the attempt is alive, and says itself how it ended
            await self._ledger.move(hold, move, now)

    async def _recheck_open(self) -> None:
        version = self._ledger.inventory().version
        if version == self._seen_inventory:
            return
        waiting = frozenset({State.PENDING, State.APPROVED})
        for hold in await self._ledger.store.list_holds(HoldQuery(waiting, _BATCH)):
            found: Recheck = self._ledger.recheck_of(hold)
            await self._ledger.move(hold, found)
        self._seen_inventory = version
