"""What ends a call, or keeps it back until a person has spoken: asked before it passes, and for as long as it goes on.

Revocations and freezes are looked up by scope. Those of the caller are in its identity: who it is, for whom, through
whom, under which task, with which credential. Those of the call are what it touches: service, tool, credential of the
service; and the connection that it came on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain
from typing import Protocol

from proxy.credentials.bindings import binding_for
from proxy.deciding import STALE
from proxy.errors import Refused, refuse
from proxy.facts import Dataset, Service
from proxy.identity.resolver import Resolver
from proxy.inventory.ownership import answered_for
from proxy.stages import Call, Decided, Described, Identity, Proven, Released, Restraint
from proxy.tasks.feed import RevocationFeed
from proxy.tasks.interfaces import Revocation
from proxy.world import World

# What a call touches and a person has ended, in words for the agent.
_OF_THE_CALL = {
    "service": "This service may not be called at present: a person has ended access to it.",
    "tool": "This tool may not be used at present: a person has ended access to it.",
    "credential": "The credential that this call needs may not be used at present: a person has ended its use.",
}
_PEOPLE = frozenset({"owner", "principal"})
_MOMENT = 1.0


@dataclass(frozen=True, slots=True)
class Reach:
    """What is open under a scope, as far as this process knows."""

    connections: int
    calls: int


class Running(Protocol):
    """Refuses what runs under a suspended task."""

    def require_running(self, scopes: tuple[str, ...]) -> None: ...


class Endings:
    """Asked at each moment of a call: on arrival, when it is decided, before its release, and while it goes on."""

    def __init__(self, resolver: Resolver, feed: RevocationFeed, tasks: Running, clock: Callable[[], float]) -> None:
        self._resolver = resolver
        self._feed = feed
        self._tasks = tasks
        self._clock = clock
        self._looked_at = float("-inf")
        self._counted = False
        self._awake_since = float("-inf")

    async def hear(self, described: Described | None = None, *, newcomer: bool = False) -> None:
        """As `require_fresh`, but whose word is old only because we stood still gets newer, before it is a refusal."""
        try:
            self.require_fresh(described, newcomer=newcomer)
        except Refused:
            await self._feed.next_poll()
            self.require_fresh(described, newcomer=newcomer)

    def require_fresh(self, described: Described | None = None, *, newcomer: bool = False) -> None:
        """Without word of revocations for a second, nobody new comes and only reading goes on; after five, nothing."""
        standing = self._feed.standing(self._clock())
        if standing == "fresh":
            return
        if standing == "degraded" and not newcomer and (described is None or _only_reads(described.call)):
            return
        raise Refused(STALE)

    def living(self, proven: Proven, world: World) -> Identity:
        """The identity as it stands now: not expired, not revoked, with a living owner and a review in date."""
        identity = self._resolver.attribute(proven, world.inventory, self._clock())
        ended = self._feed.epochs.dead(identity.scopes, proven.issued_at)
        if ended is not None:
            raise _ended(ended, "This agent's access has been ended by a person. Stop, and report it.")
        self._tasks.require_running(identity.scopes)
        return identity

    def reach(
        self, scope: str, admitted: Iterable[tuple[str, Proven]], calls: Iterable[Released], world: World
    ) -> Reach:
        """What is under this scope, of these connections and calls under way."""
        reached = {connection for connection, proven in admitted if self._covers(scope, connection, proven, world)}
        count = 0
        for released in calls:
            attributed = released.decided.described.attributed
            if scope in released.decided.scopes or scope in attributed.identity.scopes:
                reached.add(attributed.arrived.connection)
                count += 1
        return Reach(len(reached), count)

    def _covers(self, scope: str, connection: str, proven: Proven, world: World) -> bool:
        if scope == _connection(connection):
            return True
        try:
            return scope in self._resolver.attribute(proven, world.inventory, self._clock()).scopes
        except Refused:
            return scope in proven.scopes  # it has no standing, and its connection is being cut

    def require_open(self, scopes: tuple[str, ...]) -> None:
        """Refuses a call that touches what has been ended. When the caller's credential was issued is no matter."""
        ended = self._feed.epochs.dead(scopes, float("-inf"))
        if ended is not None:
            detail = _OF_THE_CALL.get(ended.scope.partition(":")[0], "This connection has been ended by a person.")
            raise _ended(ended, f"{detail} Go on without it, and report it.")

    def require_answered_for(self, call: Call, world: World) -> None:
        """Refuses a call to a service, or to data, that nobody answers for: its owner has left, or it is gone."""
        inventory, day = world.inventory, today(self._clock())
        touched: list[tuple[str, str, Service | Dataset | None]] = [
            ("service", call.service.id, inventory.services.get(call.service.id)),
            *(("dataset", use.dataset, inventory.datasets.get(use.dataset)) for use in call.datasets),
        ]
        for kind, name, fact in touched:
            if fact is None or not answered_for(fact, inventory, day).ok:
                what = "this service" if kind == "service" else "data that this call touches"
                raise refuse(
                    f"{kind}_owner_inactive",
                    403,
                    f"Nobody answers for {what} any more, so the call did not pass. Go on without it, and report it.",
                    internal=f"{kind}:{name}",
                )

    def restraints(self, identity: Identity, scopes: tuple[str, ...]) -> tuple[Restraint, ...]:
        """Why nothing of this call passes without a person's word at present."""
        frozen = self._feed.epochs.frozen(chain(identity.scopes, scopes))
        return (*identity.restraints, *map(_frozen, frozen)) if frozen else identity.restraints

    def require_release(self, decided: Decided, world: World) -> None:
        """The last look before the release: all of the way here may have lasted."""
        self.require_fresh(decided.described)
        identity = self.living(decided.described.attributed.identity.proven, world)
        self.require_open(decided.scopes)
        self.require_answered_for(decided.described.call, world)
        self._require_known(decided, identity)

    def require_going_on(self, connection: str, proven: Proven, released: Released | None, world: World) -> None:
        """Refuses what may not go on: a connection, or a call of it that is under way.

        A freeze ends calls that were decided without knowing of it. A connection on which nothing is under way
        stays: a call may wait there for the person's word.
        """
        if not self._stood_still():
            self.require_fresh()
        identity = self.living(proven, world)
        if released is None:
            self.require_open((_connection(connection),))
            return
        self.require_open(released.decided.scopes)
        self.require_answered_for(released.decided.described.call, world)
        self._require_known(released.decided, identity)

    def _stood_still(self) -> bool:
        """Whether nobody looked for over a second until a moment ago: word is as old as that, and newer is under way.

        What goes on is looked at many times a second. After a standstill of ours it has a second to go on by what was
        known before; if no word has come by then, it does not, and another standstill gives it no more time.
        """
        now, before, counted = self._clock(), self._looked_at, self._counted
        self._looked_at, self._counted = now, self._feed.standing(now) != "stale"
        if counted and abs(now - before) > _MOMENT:
            self._awake_since = now
        return 0 <= now - self._awake_since < _MOMENT

    def _require_known(self, decided: Decided, identity: Identity) -> None:
        for restraint in self.restraints(identity, decided.scopes):
            if restraint not in decided.restraints:
                raise refuse(
                    restraint.reason,
                    403,
                    "Nothing of this kind passes at present without a person's word. "
                    "Send the identical request again: it then waits for sign-off.",
                    "request",
                    internal=restraint.text,
                )


def call_scopes(described: Described) -> tuple[str, ...]:
    """The keys of what this call touches, and of the connection that it came on: by these it, or its approval, ends."""
    arrived, call = described.attributed.arrived, described.call
    scopes = [_connection(arrived.connection), f"service:{call.service.id}"]
    if call.tool is not None:
        scopes.append(f"tool:{call.service.id}/{call.tool.name}")
    binding = binding_for(call.service, arrived.request)
    if binding is not None:
        scopes.append(f"credential:{binding.id}")
    scopes.extend(f"dataset:{name}" for name in {use.dataset: None for use in call.datasets})
    return tuple(scopes)


def today(now: float) -> date:
    """The day in UTC, by which inventories reckon."""
    return datetime.fromtimestamp(now, UTC).date()


def _connection(connection: str) -> str:
    return f"connection:{connection}"


def _ended(ended: Revocation, detail: str) -> Refused:
    kind = ended.scope.partition(":")[0]
    return refuse(f"{kind}_revoked", 403, detail, internal=f"{ended.scope} by {ended.by}: {ended.reason}")


def _frozen(freeze: Revocation) -> Restraint:
    kind, _, name = freeze.scope.partition(":")
    text = f"frozen: {freeze.scope} by {freeze.by}: {freeze.reason}"
    return Restraint(f"{kind}_frozen", text, freeze.at, name if kind in _PEOPLE else "")


def _only_reads(call: Call) -> bool:
    return call.lifecycle or (call.tool is not None and call.tool.effect == "read")
