"""The one way in which a hold changes: decided by the machine, written by the store, put on record."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from weakref import WeakValueDictionary

from policies.model import Json
from proxy.facts import Inventory, accountable, owner_named
from proxy.holds.account import account_of
from proxy.holds.interfaces import HoldStore
from proxy.holds.machine import apply
from proxy.holds.mistakes import HoldNotFound
from proxy.holds.model import Hold
from proxy.holds.moves import Move, Recheck, Tick
from proxy.holds.rules import Eligibility, Parties, eligible
from proxy.holds.waiters import Waiters

type Record = Callable[[Mapping[str, Json]], Awaitable[int]]
type Notify = Callable[[str, str], None]


class Ledger:
    """Holds as they are now. `record` is durable when it returns; `notify` gets (event, hold id), after that."""

    def __init__(
        self,
        store: HoldStore,
        record: Record,
        inventory: Callable[[], Inventory],
        clock: Callable[[], float],
        notify: Notify | None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.inventory = inventory
        self.waiters = Waiters()
        self._record = record
        self._notify = notify
        self._publishing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def find(self, hold_id: str) -> Hold | None:
        """The hold as it is now: both clocks are looked at, so that no timer is needed to end it."""
        hold = await self.store.load_hold(hold_id)
        return None if hold is None else await self.now(hold)

    async def current(self, hold_id: str) -> Hold:
        """The same, for a hold that must exist; raises `HoldNotFound`."""
        hold = await self.find(hold_id)
        if hold is None:
            raise HoldNotFound(f"there is no hold `{hold_id}`")
        return hold

    async def now(self, hold: Hold) -> Hold:
        """This hold after what time alone has done to it."""
        if not apply(hold, Tick(), self.clock()).changed:
            return hold
        ended = await self.move(hold, Tick())
        return ended if ended is not None else await self.current(hold.id)

    async def move(self, hold: Hold, move: Move, now: float | None = None) -> Hold | None:
        """The hold after this move; None if someone else changed it first. Raises `HoldError`."""
        transition = apply(hold, move, self.clock() if now is None else now)
        if not transition.changed:
            return hold
        moved = await self.store.apply_transition(transition)
        if moved is None:
            return None
        try:
            await self.publish(hold.id)
        finally:
            # the change is true even when its record must be written later; a release waits for that record
            self.waiters.wake((hold.id,))
        return moved

    async def insist(self, hold: Hold, move: Move, now: float | None = None) -> Hold:
        """The hold after this move, tried again on whatever others make of it meanwhile. Raises `HoldError`."""
        while True:
            moved = await self.move(hold, move, now)
            if moved is not None:
                return moved
            hold = await self.current(hold.id)

    async def publish(self, hold_id: str | None, before: float = float("inf")) -> None:
        """Put on record what is not yet. An event may be recorded twice (same id), never not at all."""
        async with self._publishing.setdefault(hold_id or "", asyncio.Lock()):
            events = await self.store.unrecorded_events(hold_id, before)
            indexes: dict[int, int] = {}
            try:
                for event in events:
                    indexes[event.seq] = await self._record(account_of(event))
            finally:
                if indexes:
                    await self.store.mark_recorded(indexes)
            if self._notify is not None:
                for event in events:
                    self._notify(event.type, event.hold.id)

    def eligibility(self, hold: Hold) -> Eligibility:
        """Who may sign this hold today, by the inventory as it is now."""
        parties = Parties(hold.key.agent, hold.service, hold.datasets, hold.root, hold.instance)
        return eligible(hold.requirement, parties, self.inventory(), self._today())

    def answering(self, hold: Hold) -> str:
        """Who is accountable today for what this hold is of; empty if nobody is.

        Of an agent that is gone from the inventory: who was, for what became of its calls must still be found out.
        """
        inventory = self.inventory()
        agent = inventory.agents.get(hold.key.agent)
        if agent is None:
            return hold.owner
        owner = accountable(agent, inventory, self._today(), hold.instance)
        return owner.id if owner else ""

    def recheck_of(self, hold: Hold) -> Recheck:
        """What has become of the ground that this hold stands on."""
        inventory = self.inventory()
        agent = inventory.agents.get(hold.key.agent)
        owner = None
        if agent is not None:
            named = owner_named(agent, hold.instance)
            left = named if named in inventory.people else None  # they still are the owner, and can sign nothing
            owner = self.answering(hold) or left
        people = (inventory.people.get(vote.person) for vote in hold.votes)
        active = frozenset(person.id for person in people if person and person.active)
        return Recheck(owner, hold.requirement, self.eligibility(hold), active)

    def _today(self) -> date:
        return datetime.fromtimestamp(self.clock(), UTC).date()
