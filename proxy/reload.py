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
    """

    def __init__(self, inventory: Path, policies: Path, mode: Mode, clock: Callable[[], float]) -> None:
        self._policies = policies
        self._mode = mode
        self._clock = clock
        self._source = InventorySource(inventory)
        self._bundle = _read(policies)
        self._judged = self._bundle.version
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
        """Looks once at the inventory, and once at the policies."""

        async def on_change(loaded: Loaded) -> None:
            await self._adopt(loaded, self._bundle, "inventory", record)

        async def on_mistakes(mistakes: Sequence[Mistake]) -> None:
            await self._tell("inventory", mistakes, record)

        await self._source.poll(on_change, on_mistakes)
        await self._poll_policies(record)

    async def _poll_policies(self, record: Record) -> None:
        mistakes: tuple[Mistake, ...] = ()
        try:
            bundle = await asyncio.to_thread(_read, self._policies)
            if bundle.version == self._judged:
                return
            self._judged = bundle.version
            if bundle.version != self._bundle.version:
                await self._adopt(self._source.loaded, bundle, "policies", record)
                self._bundle = bundle
                self._source.reconsider()  # an inventory that these policies needed may fit now
        except ConfigurationError as wrong:
            mistakes = wrong.mistakes
        except AuditUnavailable:
            self._judged = self._bundle.version
            raise
        if mistakes != self._told:
            self._told = mistakes
            await self._tell("policies", mistakes, record)

    async def _adopt(self, loaded: Loaded, bundle: Bundle, what: str, record: Record) -> None:
        world = await asyncio.to_thread(_build, loaded, bundle, self._mode)
        change: dict[str, Json] = {"what": what, "before": self._world.version, "after": world.version}
        kind = "inventory.changed" if what == "inventory" else "policy.changed"
        await record({"type": kind, "at": self._clock(), "change": change})
        self._world = world
        log.info("%s in force: %s", what, world.version)

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
