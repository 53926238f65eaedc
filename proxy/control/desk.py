"""Everything that one caller may see and do. A handler that holds a desk holds a proven caller, and no other."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from policies.model import Json
from proxy.control.agents import AgentDesk
from proxy.control.callers import Caller
from proxy.control.calls import CallDesk
from proxy.control.ending import EndingDesk
from proxy.control.events import EventFeed, Subscription
from proxy.control.handles import HandleDesk
from proxy.control.inventories import InventoryDesk
from proxy.control.journal import Journal
from proxy.control.kill_switch import KillSwitch
from proxy.control.leaving import LeavingDesk
from proxy.control.needs import ControlDeps
from proxy.control.reviews import ReviewDesk
from proxy.control.sign_off import SignOff
from proxy.control.signing_keys import KeyDesk
from proxy.control.tasks import TaskDesk
from proxy.control.transactions import TransactionDesk
from proxy.control.ways_in import WaysIn


@dataclass(frozen=True, slots=True)
class Desk:
    """One caller's view of the house, and the levers that are theirs."""

    caller: Caller
    agents: AgentDesk
    calls: CallDesk
    ending: EndingDesk
    handles: HandleDesk
    inventory: InventoryDesk
    keys: KeyDesk
    kill_switch: KillSwitch
    leaving: LeavingDesk
    reviews: ReviewDesk
    sign_off: SignOff
    tasks: TaskDesk
    transactions: TransactionDesk
    ways_in: WaysIn
    subscription: Subscription
    now: float
    status: Callable[[], Awaitable[Mapping[str, Json]]]


def desk_for(caller: Caller, deps: ControlDeps, feed: EventFeed) -> Desk:
    """The desk of this proven caller."""
    journal = Journal(deps.record, caller)
    sign_off, calls = SignOff(caller, deps, journal), CallDesk(caller, deps)
    ending = EndingDesk(caller, deps, journal)
    return Desk(
        caller=caller,
        agents=AgentDesk(caller, deps),
        calls=calls,
        ending=ending,
        handles=HandleDesk(caller, deps, journal, ending),
        inventory=InventoryDesk(caller, deps, journal),
        keys=KeyDesk(caller, deps, journal, ending),
        kill_switch=KillSwitch(caller, deps, ending),
        leaving=LeavingDesk(caller, deps),
        reviews=ReviewDesk(caller, deps, journal, ending),
        sign_off=sign_off,
        tasks=TaskDesk(caller, deps),
        transactions=TransactionDesk(caller, deps, calls),
        ways_in=WaysIn(caller, deps, journal),
        subscription=Subscription(feed, sign_off.sees, calls.sees),
        now=deps.clock(),
        status=deps.status,
    )
