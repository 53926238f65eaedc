"""What goes on beside the calls: hearing of changes, sweeping, telling, renewing."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING

from proxy.app.ended import Ended, Stands
from proxy.app.orphans import OrphanWatch
from proxy.app.sources import SourceWatch
from proxy.errors import CountersignError
from proxy.storage.sqlite_history import HISTORIES
from proxy.tasks.epochs import Epochs
from proxy.tasks.forgetting import Forgetting, SteadyClock
from proxy.tasks.history import History
from proxy.tasks.idle import LOOK_SECONDS, IdleTasks
from proxy.tasks.interfaces import Revocation
from telemetry.errors import AuditUnavailable

if TYPE_CHECKING:
    from proxy.app.core import Core

log = logging.getLogger("countersign.app")

SWEEP_SECONDS = 1.0
CROWD_SECONDS = 60.0
KEY_SECONDS = 3600.0
TIDY_SECONDS = 60.0
WORKED_SECONDS = 300.0
"""A step that lasted so long before it failed had worked: some never end of themselves."""
HISTORY_SECONDS = 3600.0


@contextlib.asynccontextmanager
async def background(core: "Core") -> AsyncIterator[None]:
    """What goes on beside the calls; none of it may end the process, and none of it outlives the core."""
    changes, orphans = _Changes(core), OrphanWatch(core.inventory, core.holds, core.recorder.append, core.clock)
    failures, ended = core.failures, Ended(lambda: core.feed.epochs, _stands(core), core.inventory, core.clock)
    credentials = _EndingCredentials(core, ended)
    own = None if core.own_tokens is None else f"token:{core.own_tokens.issuer}|"
    forget, record = core.store.forget_revocations, core.recorder.append
    forgetting = Forgetting(core.store, forget, record, SteadyClock(), own_tokens=own)
    seconds = core.settings.limits.task_idle_seconds
    idle = IdleTasks(core.tasks, core.store, core.guard.heard_of, seconds=seconds)
    history = History(core.store, HISTORIES, record, SteadyClock(), days=core.settings.history_days)
    tasks = [
        asyncio.create_task(_forever(failures, "hearing of revocations", lambda: core.feed.run(core.clock))),
        asyncio.create_task(_forever(failures, "watching files", lambda: core.keeper.watch(core.recorder.append))),
        asyncio.create_task(_forever(failures, "waking held calls", changes.follow)),
        asyncio.create_task(_forever(failures, "telling what lost its owner", orphans.follow)),
        asyncio.create_task(_forever(failures, "sweeping held calls", lambda: _sweep(core))),
        asyncio.create_task(_forever(failures, "counting unknown callers", lambda: _tell_crowd(core))),
        asyncio.create_task(_forever(failures, "ending overdue tasks", lambda: _sweep_tasks(core))),
        asyncio.create_task(_forever(failures, "ending idle tasks", lambda: _look_for_idle(core, idle))),
        asyncio.create_task(_forever(failures, "forgetting ended tasks", lambda: _tidy(core, forgetting))),
        asyncio.create_task(_forever(failures, "forgetting history", lambda: _forget_history(core, history))),
        asyncio.create_task(_forever(failures, "storing revocations", lambda: _store_revocations(core))),
        asyncio.create_task(_forever(failures, "ending obtained credentials", credentials.follow)),
        asyncio.create_task(_forever(failures, "reading keys again", lambda: _refresh_keys(core))),
    ]
    for source in core.settings.inventory_sources:
        if source.file is not None or source.url is not None:
            watch = SourceWatch(source, core.documents, core.source_health, core.recorder.append, core.clock)
            tasks.append(asyncio.create_task(_forever(failures, f"hearing of inventory {source.id}", watch.follow)))
    if core.settings.inventory_sources:
        silent = _forever(failures, "watching for silent inventory sources", core.source_health.follow)
        tasks.append(asyncio.create_task(silent))
    tasks += [asyncio.create_task(_forever(failures, what, step)) for what, step in core.signals.steps()]
    if core.signer is not None:
        tasks.append(asyncio.create_task(_forever(failures, "changing the signing key", lambda: _change_key(core))))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(failures: Counter[str], what: str, step: Callable[[], Coroutine[None, None, None]]) -> None:
    """Again and again, whatever happens: a sweep that silently stopped would be missed too late.

    A failure is logged once until it works again, or fails otherwise; how often it failed is counted, for the status
    and the metrics.
    """
    clock = asyncio.get_running_loop().time
    told = ""
    while True:
        begun = clock()
        try:
            await step()
            told = ""
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try is made
            failures[what] += 1
            cause = f"{type(error).__name__}: {error}"
            if cause != told or clock() - begun >= WORKED_SECONDS:
                _tell(what, error)
            told = cause
        await asyncio.sleep(SWEEP_SECONDS)


def _tell(what: str, error: Exception) -> None:
    if isinstance(error, AuditUnavailable | CountersignError):
        log.warning("%s does not work at the moment: %s", what, error)
    else:
        log.error("%s failed, and is tried again", what, exc_info=error)


class _Changes:
    """What follows from a change of the store by any process: held calls wake, and end with their agent."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._changed = asyncio.Event()
        self._acted_on = Epochs()
        self._failed: list[Revocation] = []
        self._changed.set()  # what was ended while nobody was here counts too
        core.feed.on_change(self._changed.set)

    async def follow(self) -> None:
        """Waits for the next change and acts on it. What fails is tried again."""
        await self._changed.wait()
        self._changed.clear()  # before anything is looked at: what changes meanwhile is another change
        try:
            await self._act()
        except BaseException:
            self._changed.set()
            raise

    async def _act(self) -> None:
        core, epochs = self._core, self._core.feed.epochs
        await core.tasks.hear()
        new = [*epochs.since(self._acted_on), *(row for row in self._failed if row in epochs.standing(row.scope))]
        failed: dict[Revocation, Exception] = {}
        for revocation in await self._concerned(new):
            try:
                await self._act_on(revocation)
            except Exception as error:  # noqa: BLE001 - one that fails must not keep the others waiting
                failed[revocation] = error
        self._acted_on, self._failed = epochs, [*failed]
        await core.holds.changed()
        if failed:
            raise next(iter(failed.values()))

    async def _concerned(self, new: list[Revocation]) -> list[Revocation]:
        """Those under which anything waits, or goes on as a task: few of the many that there are at a start.

        Ends first, so that what is ended and frozen is told to be ended.
        """
        if not new:
            return []
        scopes = await self._core.holds.scopes() | await self._core.tasks.unfinished(new)
        return [row for row in new if row.scope in scopes]

    async def _act_on(self, revocation: Revocation) -> None:
        core = self._core
        await core.tasks.ended_by(revocation)
        if not revocation.scope.startswith("handle:"):
            # A handle ends with its program; what that asked for still waits, for the program's next run.
            kind = revocation.scope.partition(":")[0]
            code = f"{kind}_frozen" if revocation.kind == "freeze" else f"{kind}_revoked"
            await core.holds.invalidate_for([revocation.scope], by=revocation.by, reason=code, now=revocation.at)


async def _tell_crowd(core: "Core") -> None:
    await asyncio.sleep(CROWD_SECONDS)
    core.pipeline.tell_crowd()


async def _sweep(core: "Core") -> None:
    await asyncio.sleep(SWEEP_SECONDS)
    await core.holds.sweep(core.clock())


class _EndingCredentials:
    """Ends what was obtained for whoever has ended. A server that hangs does not keep the others' waiting."""

    def __init__(self, core: "Core", ended: Ended) -> None:
        self._core = core
        self._ended = ended
        self._begun: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Begins one more sweep, and does not wait long for any."""
        await asyncio.sleep(SWEEP_SECONDS)
        self._begun.add(asyncio.create_task(self._core.broker.sweep(self._core.clock(), self._ended.now())))
        try:
            done, self._begun = await asyncio.wait(self._begun, timeout=SWEEP_SECONDS)
        except asyncio.CancelledError:
            for task in self._begun:
                task.cancel()  # what they have not ended is ended at the close
            await asyncio.gather(*self._begun, return_exceptions=True)
            raise
        failed = [error for task in done if (error := task.exception()) is not None]
        if failed:
            raise failed[0]


def _stands(core: "Core") -> Stands:
    return lambda identity, inventory, now: core.resolver.stands(identity.proven, inventory, now)


async def _store_revocations(core: "Core") -> None:
    await asyncio.sleep(SWEEP_SECONDS)
    await core.revocations.settle()


async def _refresh_keys(core: "Core") -> None:
    """Beside the other sweeps, since it waits for other people's servers."""
    await asyncio.sleep(SWEEP_SECONDS)
    await core.resolver.refresh(core.clock())


async def _sweep_tasks(core: "Core") -> None:
    await asyncio.sleep(SWEEP_SECONDS)
    await core.tasks.sweep(core.clock())


async def _look_for_idle(core: "Core", idle: IdleTasks) -> None:
    await asyncio.sleep(LOOK_SECONDS)
    await idle.look(core.clock())


async def _tidy(core: "Core", forgetting: Forgetting) -> None:
    await asyncio.sleep(TIDY_SECONDS)
    await forgetting.sweep(core.feed.epochs.rows, core.clock())


async def _forget_history(core: "Core", history: History) -> None:
    await asyncio.sleep(HISTORY_SECONDS)
    await history.sweep(core.clock())


async def _change_key(core: "Core") -> None:
    await asyncio.sleep(KEY_SECONDS)
    if core.signer is not None:
        core.signer.rotate_if_due(core.clock())
