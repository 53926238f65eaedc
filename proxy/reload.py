"""Files that change while we run: a good edit comes into force as a whole, a bad one changes nothing, loudly."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from policies.bundle import Bundle, read_policies
from policies.mistakes import PolicyMistakes
from policies.model import Json, Mode
from proxy.errors import ConfigurationError, Mistake
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
    Policies and inventory that only fit together come into force together.
    """

    def __init__(self, inventory: Path, policies: Path, mode: Mode, clock: Callable[[], float]) -> None:
        self._policies = policies
        self._mode = mode
        self._clock = clock
        self._source = InventorySource(inventory)
        self._bundle = self._wanted = _read(policies)  # in force; as the files have it
        self._seen = self._bundle.version
        self._verdict: tuple[tuple[str, str], tuple[Mistake, ...]] = (("", ""), ())
        self._told: tuple[Mistake, ...] = ()
        self._world = _build(self._source.loaded, self._bundle, mode)

    @property
    def world(self) -> World:
        """The snapshot in force. Ask for it each time; never keep it."""
        return self._world

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

        unreadable = await self._look_at_policies()
        await self._source.poll(on_change, on_mistakes)
        mistakes = unreadable or await self._use_policies(record)
        if mistakes != self._told:
            await self._tell("policies", mistakes, record)
            self._told = mistakes

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
        world = await asyncio.to_thread(_build, loaded, bundle, self._mode)
        for what, kind, changed in (
            ("policies", "policy.changed", bundle.version != self._bundle.version),
            ("inventory", "inventory.changed", loaded.inventory.version != self._world.inventory.version),
        ):
            if changed:
                change: dict[str, Json] = {"what": what, "before": self._world.version, "after": world.version}
                await record({"type": kind, "at": self._clock(), "change": change})
                log.info("%s in force: %s", what, world.version)
        self._bundle, self._world = bundle, world

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
