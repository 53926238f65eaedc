"""The kill switch, as one caller may use it: end or freeze a scope at once, see what is ended, lift it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from proxy.control.callers import NOTHING_NAMED, Caller, Named, seen_agents
from proxy.control.journal import Journal, required_reason
from proxy.control.needs import ControlDeps
from proxy.control.paging import MOST
from proxy.control.responders import OWNERS_KINDS, Levers, may_respond
from proxy.errors import CountersignError, Declined, StoreUnavailable
from proxy.facts import Inventory
from proxy.tasks.epochs import FIRST, Place, place_of
from proxy.tasks.interfaces import KINDS, Revocation, RevocationKind
from proxy.tasks.revocations import Stopped
from proxy.tasks.scopes import checked_scope

_TRANSMITTER = "transmitter:"
_MOST_LOOKED_AT = 5000  # for one piece of a list, by who may end what


@dataclass(frozen=True, slots=True)
class Listed:
    """A piece of what is in force, and behind which place the next one begins; None if this is the last."""

    rows: Sequence[Revocation]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Done:
    """What a revocation did. `connections` and `calls` were open under it at that moment; they are cut.

    `stored`, or at least `kept` in a file: it outlasts this process. `note` says what does not hold; empty if all does.
    """

    kind: RevocationKind
    connections: int
    calls: int
    stored: bool
    kept: bool
    recorded: bool
    note: str


class EndingDesk:
    """An owner may end or freeze their agents and what runs under them; responders and the operator anything."""

    def __init__(self, caller: Caller, deps: ControlDeps, journal: Journal) -> None:
        self._caller = caller
        self._deps = deps
        self._journal = journal

    async def list(self, after: Place = FIRST, *, limit: int = MOST, over: bool | None = None) -> Listed:
        """What is ended or frozen, as far as it concerns this caller: the latest first, a piece at a time.

        With `over`, or without what is over (see `Revocation.over`), where that is said.
        """
        deps, now = self._deps, self._deps.clock()
        rows = (row for row in deps.revocations.epochs.after(after) if over is None or row.over == over)
        agents = seen_agents(self._caller, None, deps.inventory(), deps.auditors, now)
        if agents is None or may_respond(self._caller, deps.responders):
            found = [*islice(rows, limit + 1)]
            return Listed(found[:limit], place_of(found[limit - 1]) if len(found) > limit else None)
        # most are of people and tokens, which are nobody's to see: they are not looked at one by one
        looked = [*islice((row for row in rows if row.scope.partition(":")[0] in OWNERS_KINDS), _MOST_LOOKED_AT)]
        levers = await self.levers([row.scope for row in looked])
        own = {f"agent:{name}" for name in agents}
        found = [row for row in looked if row.scope in own or levers.end(row.scope)]
        if len(found) > limit:
            return Listed(found[:limit], place_of(found[limit - 1]))
        return Listed(found, place_of(looked[-1]) if len(looked) == _MOST_LOOKED_AT else None)

    async def standing(self, scope: str, kind: RevocationKind | None = None) -> tuple[Revocation, ...]:
        """What is in force of this scope, for who may end it."""
        await self._allow(scope)
        return self._standing(scope, kind)

    def unstored(self) -> frozenset[Revocation]:
        """What is in force in this process, and not in the store yet."""
        return self._deps.revocations.unstored()

    async def revoke(self, scope: str, reason: str) -> Done:
        """Everything under this scope is dead when this returns."""
        return await self._stop(scope, reason, "revoke")

    async def freeze(self, scope: str, reason: str) -> Done:
        """Nothing under this scope passes without a person's word when this returns."""
        return await self._stop(scope, reason, "freeze")

    async def lift(self, scope: str, reason: str, kind: RevocationKind | None = None) -> None:
        """The end and the freeze of this scope are lifted, or the one that is named; both, or neither of them.

        What the operator ended, only the operator brings back.
        """
        levers = await self._allow(scope)
        why = required_reason(reason)
        standing = self._standing(scope, kind)
        if not standing:
            raise Declined(404, "not_revoked", _NOTHING[kind])
        for row in standing:
            if not levers.lift(row):
                raise _not_over(row)
        kinds = [row.kind for row in standing]
        details = [f"lifted={one}" for one in kinds]
        await self._journal.write("revocation.lifted", scope, kind="lift", reason=why, details=details)
        if self._standing(scope, kind) != standing:  # writing takes a while, and this is not what was looked at
            raise Declined(409, "stale", "somebody has changed this meanwhile; look again, and decide then")
        await self._deps.revocations.lift(scope, kinds)

    async def _stop(self, scope: str, reason: str, kind: RevocationKind) -> Done:
        levers = await self._allow(scope)
        await self._require_known(scope)
        why = required_reason(reason)
        for row in self._standing(scope, kind):
            if not levers.replace(row):
                raise _not_over(row)
        ended = kind == "freeze" and bool(self._standing(scope, "revoke"))
        reach = self._deps.reach(scope) if self._deps.reach is not None else None
        now = self._deps.clock()
        entry = {"at": now, **self._journal.entry("revocation.put", scope, kind=kind, reason=why)}
        done = await self._deps.revocations.stop(scope, self._caller.name, why, now, kind=kind, entry=entry)
        notes = _notes(done)
        if ended:
            notes.append("it is ended as well, and what is ended stays refused until that is lifted")
        if reach is not None and not reach.connections and not _is_listed(scope):
            notes.append("nothing is open under it now, and no list has such names: check its spelling")
        return Done(
            kind=kind,
            connections=reach.connections if reach is not None else 0,
            calls=reach.calls if reach is not None else 0,
            stored=done.stored,
            kept=done.kept,
            recorded=done.recorded,
            note="; ".join(notes),
        )

    async def require(self, scope: str) -> None:
        """Raises, in the words of `revoke`, unless this caller may end this scope and the house knows it."""
        await self._allow(scope)
        await self._require_known(scope)

    async def levers(self, scopes: Iterable[str] = ()) -> Levers:
        """What this caller may do about these scopes. Of a task or a handle beside them they may do nothing."""
        deps = self._deps
        # the operator may do anything: no store is asked, since it may be the one that is broken
        named = NOTHING_NAMED if self._caller.is_operator else await self._named(scopes)
        return Levers(self._caller, deps.inventory(), named, deps.responders, deps.clock())

    async def _named(self, scopes: Iterable[str]) -> Named:
        kinds = [scope.partition(":") for scope in scopes]
        tasks = {name for kind, _, name in kinds if kind == "task"}
        handles = await self._deps.handles.agents_of({name for kind, _, name in kinds if kind == "handle"})
        under = dict(await self._deps.handles.agents_under(tasks))
        for task, agent in (await self._deps.tasks.agents_of(tasks)).items():
            under[task] = under.get(task, frozenset()) | {agent}
        return Named(handles, under)

    async def _allow(self, scope: str) -> Levers:
        try:
            checked_scope(scope)
        except CountersignError as error:
            raise Declined(422, "scope_invalid", str(error)) from error
        levers = await self.levers([scope])
        if not levers.end(scope):
            raise Declined(403, "not_yours", "you may end only agents that you answer for, and their tasks and handles")
        return levers

    async def _require_known(self, scope: str) -> None:
        """A misspelt name would end nothing, and leave whoever ended it in the belief that it did."""
        kind, _, name = scope.partition(":")
        known = await self._is_given(kind, name) if kind in {"task", "handle"} else _listed(kind, name, self._deps)
        if not known:
            raise Declined(404, "scope_unknown", f"there is no {kind} `{name}`: nothing is done; check its spelling")

    async def _is_given(self, kind: str, name: str) -> bool:
        try:
            if kind == "handle":
                return bool(await self._deps.handles.agents_of([name]))
            return await self._deps.tasks.find(name) is not None or bool(await self._deps.handles.agents_under([name]))
        except StoreUnavailable:
            return True  # nobody can say, and what may be right must not wait for the store

    def _standing(self, scope: str, kind: RevocationKind | None) -> tuple[Revocation, ...]:
        return self._deps.revocations.epochs.standing(scope, KINDS if kind is None else [kind])


def _listed(kind: str, name: str, deps: ControlDeps) -> bool:
    """Whether the inventory has it; true of what no inventory lists: a token, a connection, a foreign principal."""
    inventory = deps.inventory()
    names = _NAMES.get(kind)
    if names is not None:
        return name in names(inventory)
    head, _, rest = name.partition("/")
    match kind:
        case "tool":
            service = inventory.services.get(head)
            return service is not None and service.may_have(rest)
        case "instance":
            return head in inventory.agents
        case "principal":
            return "|" in name or name in inventory.people
        case _:
            return True


def _is_listed(scope: str) -> bool:
    """Whether a misspelt name of this kind is always found out: see `_listed`."""
    kind, _, name = scope.partition(":")
    return kind not in {"connection", "token", "key", "instance"} and not (kind == "principal" and "|" in name)


def _credentials(inventory: Inventory) -> Collection[str]:
    return {binding.id for service in inventory.services.values() for binding in service.bindings}


_NAMES: Mapping[str, Callable[[Inventory], Collection[str]]] = {
    "agent": lambda inventory: inventory.agents,
    "owner": lambda inventory: inventory.people,
    "team": lambda inventory: inventory.teams,
    "process": lambda inventory: inventory.processes,
    "partner": lambda inventory: inventory.partners,
    "service": lambda inventory: inventory.services,
    "credential": _credentials,
}


_NOTHING: Mapping[RevocationKind | None, str] = {
    None: "this scope is neither ended nor frozen",
    "revoke": "this scope is not ended",
    "freeze": "this scope is not frozen",
}


def _not_over(row: Revocation) -> Declined:
    """Doing it again would put the caller's name on it, and so let them lift it."""
    done = "frozen" if row.kind == "freeze" else "ended"
    if not row.by.startswith("person:"):
        who = f"{row.by} has" if row.by.startswith(_TRANSMITTER) else "the operator has"
        return Declined(409, "ended_by_operator", f"{who} {done} this; only the operator can lift it")
    return Declined(409, "ended_by_another", f"{row.by} has {done} this; only they or the operator can lift it")


def _notes(done: Stopped) -> list[str]:
    notes: list[str] = []
    if not done.stored and done.kept:
        notes.append("in force here, not yet in the store: other processes do not know of it until the store answers")
    elif not done.stored:
        notes.append(
            "in force here alone, and only until this process ends: neither the store nor a file could take it"
        )
    if not done.recorded:
        notes.append("not in the audit log yet: it is written there as soon as that is possible")
    return notes
