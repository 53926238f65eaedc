"""Files that change while we run: a good edit comes into force as a whole, a bad one gives nothing, loudly.

What an edit takes away waits for nothing: who has left, and what has expired or lost its owner, ends before the
policies are compiled anew, and also where the rest of the edit cannot be used.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from policies.bundle import OBSERVED_FOLDER, Bundle, read_policies
from policies.mistakes import PolicyMistakes
from policies.model import Json, Mode
from proxy.documents import shown
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Held, Inventory, OwnershipRules
from proxy.files import marks
from proxy.inventory.held import handed_over, in_force
from proxy.inventory.load import Examined, Loaded
from proxy.inventory.narrowing import Narrowed, narrowed
from proxy.inventory.proofs import without_proofs
from proxy.inventory.review_dates import Horizon
from proxy.inventory.watch import RESTLESS, InventorySource
from proxy.world import World, build_world, policy_mistakes
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.reload")

LOOK_SECONDS = 0.1  # at what the file system says of the files
SETTLE_SECONDS = 0.1  # for so long an edit must stay as it is
READ_SECONDS = 0.5  # whatever the file system says: it may be wrong, or of another machine
_USUAL_TURN = sys.getswitchinterval()
_TURN = 0.0002
_EACH = 0.0001  # of thousands of files, the next look comes later
_NAMED = 20  # of what ends, and of mistakes, in a record and in the log

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Departed:
    """People who have left by a document that is not kept; until another one, if there is one, is in force."""

    people: frozenset[str]
    until: bytes | None = None

    def stand(self, path: Path, files: Loaded) -> bool:
        """Whether they still count over these files, of which the document is the one at this path."""
        return self.until is None or files.snapshot.own.get(path) != self.until


class Keeper:
    """Keeps the world in force. Raises `ConfigurationError` if there is none to begin with.

    A change is recorded before it is in force: no call passes by rules that the log does not know. Only what is taken
    away comes into force first, as an end does: it harms nobody if the log cannot take it yet.
    Policies and inventory that only fit together come into force together. What the store holds lies on top.
    """

    def __init__(
        self,
        inventory: Path,
        policies: Path,
        mode: Mode,
        clock: Callable[[], float],
        rules: OwnershipRules | None = None,
        documents: Sequence[Path] = (),
    ) -> None:
        self._policies = policies
        self._mode = mode
        self._clock = clock
        self._rules = rules or OwnershipRules()
        self._held = Held()
        self._departed: Mapping[Path, Departed] = {}
        self._source = InventorySource(inventory, self._horizon, documents)
        self._bundle = self._wanted = _read(policies)  # in force; as the files have it
        self._seen = self._bundle.version
        self._verdict: tuple[tuple[str, str], tuple[Mistake, ...]] = (("", ""), ())
        self._told: tuple[Mistake, ...] = ()
        self._used = self._source.loaded
        self._said = self._used.inventory  # by the newest files that are whole, in force or not
        self._ended: frozenset[str] = frozenset()  # what files with mistakes have said to be inactive since
        self._lost: tuple[str, ...] = ()  # by both, for the record
        self._handing = False  # while the newest files are being put in force
        self._unsettled = 0  # polls in a row that found other policies than the one before
        self._files = _build(self._used, self._bundle, mode)
        self._compiled = self._used.inventory.version  # for which the policies in force are
        self._day = self._today()
        self._world = self._laid()

    @property
    def world(self) -> World:
        """The snapshot in force. Ask for it each time; never keep it."""
        return self._world

    @property
    def loaded(self) -> Loaded:
        """The files in force, with where each entry is written."""
        return self._used

    def mistakes(self) -> Mapping[str, Sequence[Mistake]]:
        """Why what the files say is not in force, of the inventory and of the policies; empty where it is."""
        return {"inventory": self._source.mistakes, "policies": self._told}

    def hold(self, held: Held) -> None:
        """What the store holds now, in force at once: who is deactivated, and what was attested.

        Whoever is deactivated proves nobody and answers for nothing from here on. That policies see it too (who owns
        a service, say) takes the next poll, since they are compiled anew for it.
        """
        self._held = held
        self._world = self._laid()

    def depart(self, departed: Mapping[Path, Departed]) -> None:
        """Who has left by the sources, whose documents are kept at these places: in force at once."""
        self._departed = dict(departed)
        self._world = self._laid()

    def _laid(self) -> World:
        """The world of the files, with what the store holds, without what newer files take away."""
        return replace(self._files, inventory=self._whole(self._used))

    def _whole(self, files: Loaded) -> Inventory:
        """The inventory of these files as it is in force today: what is held, what is lost, who stands in for whom."""
        self._day = self._today()
        return handed_over(self._over(files).inventory, self._day)

    def _over(self, files: Loaded, said: Inventory | None = None, ended: frozenset[str] | None = None) -> Narrowed:
        """These files with what is held, less what newer ones say is over."""
        said, ended = said or self._said, self._ended if ended is None else ended
        gone = [left.people for path, left in self._departed.items() if left.stand(path, files)]
        held = self._held.model_copy(update={"deactivated": self._held.deactivated.union(*gone)})
        now = in_force(files.inventory, held, self._rules)
        if said.version == files.inventory.version and not ended:
            return Narrowed(now)
        found = narrowed(now, in_force(said, held, self._rules), ended, self._today(), handing=self._handing)
        return without_proofs(found, said)

    def _horizon(self) -> Horizon:
        return Horizon(self._today(), self._rules.longest_review_days)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()

    async def try_documents(self, documents: Mapping[Path, bytes]) -> tuple[Mistake, ...]:
        """Every mistake if these documents stood beside the rest: nothing is written, nothing is in force."""
        return await asyncio.to_thread(self._try, documents)

    def _try(self, documents: Mapping[Path, bytes]) -> tuple[Mistake, ...]:
        try:
            _build(self._source.supposing(documents).result(), self._bundle, self._mode)
        except ConfigurationError as wrong:
            return wrong.mistakes
        return ()

    async def watch(self, record: Record) -> None:
        """Watches both directories until cancelled. Every change, and every mistake, is recorded."""
        clock = asyncio.get_running_loop().time
        seen, read, pause = None, 0.0, LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            with _in_turn():
                now = await asyncio.to_thread(marks, self._places())
            pause = max(LOOK_SECONDS, _EACH * len(now))
            if now == seen and clock() < read and not self._waiting:
                continue
            seen, read, settled = now, clock() + READ_SECONDS, clock() + SETTLE_SECONDS
            try:
                await self.poll(record)
                pause = max(0.0, settled - clock()) if self._waiting else pause
            except AuditUnavailable as error:
                log.error("a change of files waits until the audit log can take it: %s", error)  # noqa: TRY400 - no trace
                pause = READ_SECONDS

    @property
    def _waiting(self) -> bool:
        stale = self._world.inventory.version != self._compiled
        return stale or self._unsettled > 0 or self._source.waiting

    def _places(self) -> list[Path]:
        return [*self._source.places(), self._policies, self._policies / OBSERVED_FOLDER]

    async def poll(self, record: Record) -> None:
        """Looks once at the policies, and once at the inventory. What could not be recorded is tried again."""
        with _in_turn():
            examined = await self._source.look()
        try:
            unreadable = await self._put_in_force(examined, record)
        finally:
            self._handing = False
            laid = self._laid()
            if laid.inventory.version != self._world.inventory.version:
                self._world = laid  # they do not fit, so what they hand over has fallen; or another day has begun
        await self._tell_policies_of_people()
        mistakes = unreadable or await self._use_policies(record)
        if mistakes != self._told:
            await self._tell("policies", mistakes, record)
            self._told = mistakes

    async def _put_in_force(self, examined: Examined | None, record: Record) -> tuple[Mistake, ...]:
        """What the files say, as far as it can be; the mistakes for which the policies cannot be read."""

        async def on_change(loaded: Loaded) -> None:
            await self._use_inventory(loaded, record)

        async def on_mistakes(mistakes: Sequence[Mistake]) -> None:
            await self._tell("inventory", mistakes, record)

        if examined is not None:
            self._handing = examined.loaded is not None
            await self._take_away(examined, record)
        before = self._wanted.version
        unreadable = await self._look_at_policies()
        if examined is None and self._wanted.version != before:
            examined = self._source.reconsider()  # an inventory that needed these policies may fit now
        if examined is not None:
            await self._source.use(examined, on_change, on_mistakes)
        return unreadable

    async def _take_away(self, examined: Examined, record: Record) -> None:
        """What these files end is in force before it is on record; what they give back of that, only after.

        While they have mistakes, nothing comes back that they ended: half of an edit may be gone again.
        """
        said, ended = self._said, self._ended | examined.ended
        if examined.loaded is not None:
            said, ended = examined.loaded.inventory, frozenset()
            if said.version == self._used.inventory.version:
                self._used = examined.loaded  # the same facts, perhaps in other words
        before, lost = self._lost, self._over(self._used, said, ended).lost
        if set(lost) - set(before):
            self._said, self._ended = said, ended
            self._world = self._laid()
        if lost != before:
            log.warning("ended by files that are not in force yet: %s", ", ".join(lost[:_NAMED]) or "nothing any more")
            details: list[Json] = [*lost[:_NAMED], *([f"and {len(lost) - _NAMED} more"] if lost[_NAMED:] else [])]
            change: dict[str, Json] = {"what": "inventory", "kind": "ended" if lost else "restored", "details": details}
            await record({"type": "inventory.changed", "at": self._clock(), "change": change})
            self._lost = lost
        self._said, self._ended = said, ended
        if lost or before or self._departed:
            self._world = self._laid()

    async def _tell_policies_of_people(self) -> None:
        """Compiled anew when somebody was deactivated, or came back; what was done to them is on record already.

        And when the days of a deputy begin or end, who answers for what is another.
        """
        if self._today() != self._day:
            self._world = self._laid()
        if self._world.inventory.version != self._compiled:
            self._put(self._used, self._bundle, await self._built(self._used, self._bundle))

    async def _look_at_policies(self) -> tuple[Mistake, ...]:
        """Policies count once two polls in a row found the same: half a file could lack the rule that forbids."""
        try:
            bundle = await asyncio.to_thread(_read, self._policies)
        except ConfigurationError as wrong:
            self._wanted, self._seen, self._unsettled = self._bundle, "", 0
            return wrong.mistakes
        settled, self._seen = bundle.version == self._seen, bundle.version
        self._unsettled = 0 if settled else self._unsettled + 1
        if self._unsettled >= RESTLESS:
            return (Mistake(shown(self._policies), 0, "", "change all the time, so that no edit can be used"),)
        if settled and bundle.version != self._wanted.version:
            self._wanted = bundle
        return ()

    async def _use_inventory(self, loaded: Loaded, record: Record) -> None:
        """With the policies that the files have, if the two fit; else with those in force."""
        if self._wanted.version != self._bundle.version:
            try:
                await self._adopt(loaded, self._wanted, record)
            except ConfigurationError:
                pass
            else:
                return
        await self._adopt(loaded, self._bundle, record)

    async def _use_policies(self, record: Record) -> tuple[Mistake, ...]:
        """The policies that the files have, or the mistakes for which they are not in force; judged once."""
        if self._wanted.version == self._bundle.version:
            return ()
        judged = (self._wanted.version, self._source.current.version)
        if self._verdict[0] != judged:
            try:
                await self._adopt(self._source.loaded, self._wanted, record)
            except ConfigurationError as wrong:
                self._verdict = (judged, wrong.mistakes)
            else:
                return ()
        return self._verdict[1]

    async def _adopt(self, loaded: Loaded, bundle: Bundle, record: Record) -> None:
        built = await self._built(loaded, bundle)
        world = built[0]
        for what, kind, changed in (
            ("policies", "policy.changed", bundle.version != self._bundle.version),
            ("inventory", "inventory.changed", loaded.inventory.version != self._used.inventory.version),
        ):
            if changed:
                change: dict[str, Json] = {"what": what, "before": self._world.version, "after": world.version}
                await record({"type": kind, "at": self._clock(), "change": change})
                log.info("%s in force: %s", what, world.version)
        self._put(loaded, bundle, built)

    async def _built(self, loaded: Loaded, bundle: Bundle) -> tuple[World, str]:
        """The world of these files, and the version of the inventory that its policies were compiled for."""
        over = replace(loaded, inventory=self._whole(loaded))
        return await asyncio.to_thread(_build, over, bundle, self._mode), over.inventory.version

    def _put(self, loaded: Loaded, bundle: Bundle, built: tuple[World, str]) -> None:
        """In force, with what the store holds by now: it may have changed while this was built."""
        self._used, self._bundle = loaded, bundle
        self._files, self._compiled = built
        self._world = self._laid()
        still = self._over(loaded).lost
        self._lost = tuple(one for one in self._lost if one in still)

    async def _tell(self, what: str, mistakes: Sequence[Mistake], record: Record) -> None:
        if not mistakes:
            log.warning("%s can be used again", what)
            return
        for mistake in mistakes[:_NAMED]:
            log.error("not in force: %s", mistake)
        if mistakes[_NAMED:]:
            log.error("and %d more: `countersign check` names them all", len(mistakes) - _NAMED)
        details: list[Json] = [str(mistake)[:300] for mistake in mistakes[:_NAMED]]
        await record({"type": "config.mistake", "at": self._clock(), "change": {"what": what, "details": details}})


@contextlib.contextmanager
def _in_turn() -> Iterator[None]:
    """While files are looked at, their thread soon gets its turn beside the calls.

    It waits for its turn after each small question to the file system: at the usual 5 ms, and there are a hundred of
    them, a busy proxy would take a second to see an edit.
    """
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(_USUAL_TURN)


def _build(loaded: Loaded, bundle: Bundle, mode: Mode) -> World:
    try:
        return build_world(loaded, bundle, mode)
    except ConfigurationError as wrong:
        raise ConfigurationError([loaded.locate(mistake) for mistake in wrong.mistakes]) from wrong


def _read(directory: Path) -> Bundle:
    try:
        return read_policies(directory)
    except PolicyMistakes as wrong:
        raise ConfigurationError(policy_mistakes(wrong)) from wrong
