"""Files that change while we run: a good edit comes into force as a whole, a bad one changes nothing, loudly."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from policies.bundle import Bundle, read_policies
from policies.mistakes import PolicyMistakes
from policies.model import Json, Mode
from proxy.errors import ConfigurationError, Mistake
from proxy.facts import Held, OwnershipRules
from proxy.inventory.held import deactivated, in_force
from proxy.inventory.load import Loaded
from proxy.inventory.watch import InventorySource
from proxy.world import World, build_world, policy_mistakes
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.reload")

POLL_SECONDS = 0.25

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]


class Keeper:
    """Keeps the world in force. Raises `ConfigurationError` if there is none to begin with.

    A change is recorded before it is in force: no call is ever judged by rules that the log does not know.
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
        self._source = InventorySource(inventory, documents)
        self._bundle = self._wanted = _read(policies)  # in force; as the files have it
        self._seen = self._bundle.version
        self._verdict: tuple[tuple[str, str], tuple[Mistake, ...]] = (("", ""), ())
        self._told: tuple[Mistake, ...] = ()
        self._used = self._source.loaded
        self._files = _build(self._used, self._bundle, mode)
        self._gone: frozenset[str] = frozenset()  # who the policies in force know to be deactivated
        self._world = self._laid()

    @property
    def world(self) -> World:
        """The snapshot in force. Ask for it each time; never keep it."""
        return self._world

    @property
    def loaded(self) -> Loaded:
        """The files in force, with where each entry is written."""
        return self._used

    def hold(self, held: Held) -> None:
        """What the store holds now, in force at once: who is deactivated, and what was attested.

        Whoever is deactivated proves nobody and answers for nothing from here on. That policies see it too (who owns
        a service, say) takes the next poll, since they are compiled anew for it.
        """
        self._held = held
        self._world = self._laid()

    def _laid(self) -> World:
        """The world of the files, with what the store holds."""
        return replace(self._files, inventory=in_force(self._used.inventory, self._held, self._rules))

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
        """Polls both directories until cancelled. Every change, and every mistake, is recorded."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll(record)
            except AuditUnavailable as error:
                log.error("a change of files waits until the audit log can take it: %s", error)  # noqa: TRY400 - no trace

    async def poll(self, record: Record) -> None:
        """Looks once at the policies, and once at the inventory. What could not be recorded is tried again."""

        async def on_change(loaded: Loaded) -> None:
            await self._use_inventory(loaded, record)

        async def on_mistakes(mistakes: Sequence[Mistake]) -> None:
            await self._tell("inventory", mistakes, record)

        await self._tell_policies_of_people()
        unreadable = await self._look_at_policies()
        await self._source.poll(on_change, on_mistakes)
        mistakes = unreadable or await self._use_policies(record)
        if mistakes != self._told:
            await self._tell("policies", mistakes, record)
            self._told = mistakes

    async def _tell_policies_of_people(self) -> None:
        """Compiled anew when somebody was deactivated, or came back; what was done to them is on record already."""
        if deactivated(self._used.inventory, self._held) != self._gone:
            self._put(self._used, self._bundle, await self._built(self._used, self._bundle))

    async def _look_at_policies(self) -> tuple[Mistake, ...]:
        """Policies count once two polls in a row found the same: half a file could lack the rule that forbids."""
        try:
            bundle = await asyncio.to_thread(_read, self._policies)
        except ConfigurationError as wrong:
            self._wanted, self._seen = self._bundle, ""
            return wrong.mistakes
        settled, self._seen = bundle.version == self._seen, bundle.version
        if settled and bundle.version != self._wanted.version:
            self._wanted = bundle
            self._source.reconsider()  # an inventory that needed these policies may fit now
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

    async def _built(self, loaded: Loaded, bundle: Bundle) -> tuple[World, frozenset[str]]:
        """The world of these files, and who was deactivated when its policies were compiled."""
        held = self._held
        over = replace(loaded, inventory=in_force(loaded.inventory, held, self._rules))
        return await asyncio.to_thread(_build, over, bundle, self._mode), deactivated(loaded.inventory, held)

    def _put(self, loaded: Loaded, bundle: Bundle, built: tuple[World, frozenset[str]]) -> None:
        """In force, with what the store holds by now: it may have changed while this was built."""
        self._used, self._bundle = loaded, bundle
        self._files, self._gone = built
        self._world = self._laid()

    async def _tell(self, what: str, mistakes: Sequence[Mistake], record: Record) -> None:
        if not mistakes:
            log.warning("%s can be used again", what)
            return
        for mistake in mistakes:
            log.error("not in force: %s", mistake)
        details: list[Json] = [str(mistake)[:300] for mistake in mistakes[:20]]
        await record({"type": "config.mistake", "at": self._clock(), "change": {"what": what, "details": details}})


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
