"""A task under which nothing goes on any more is done, whether or not somebody says so."""

import logging
import math
from collections.abc import Callable, Collection

from proxy.tasks.interfaces import TaskStore
from proxy.tasks.mistakes import TaskMistake
from proxy.tasks.service import HOUSE, TaskService

log = logging.getLogger("countersign.tasks")

LOOK_SECONDS = 60.0

type HeardOf = Callable[[], Collection[str]]


class IdleTasks:
    """Completes each task after so many looks, one a minute, at which nothing had been asked under it.

    Looks are counted, and no clock is: one that is put forward, and a machine that stood still, make nobody idle, and
    after a restart it begins anew. A task is never idle while anything below it lives, or while people are asked for
    one of its calls. `heard_of` are the tasks under which something goes on, or went on since it was asked last.
    """

    def __init__(self, tasks: TaskService, store: TaskStore, heard_of: HeardOf, *, seconds: int) -> None:
        self._tasks = tasks
        self._store = store
        self._heard_of = heard_of
        self._looks = math.ceil(seconds / LOOK_SECONDS)
        self._silent: dict[str, int] = {}

    async def look(self, now: float) -> None:
        """One look, and the end of those that were silent at all of the last ones."""
        resting = await self._store.resting_tasks()
        self._silent = {one: self._silent.get(one, -1) + 1 for one in resting}
        self._hear()
        for one in resting:
            if self._silent[one] >= self._looks:
                await self._complete(one, now)
                self._hear()  # a call may have begun under the next one meanwhile

    def _hear(self) -> None:
        self._silent |= dict.fromkeys(self._silent.keys() & set(self._heard_of()), 0)

    async def _complete(self, task_id: str, now: float) -> None:
        minutes = self._looks * LOOK_SECONDS / 60
        try:
            await self._tasks.end(
                task_id, "completed", by=HOUSE, reason=f"nothing was asked under it for {minutes:.0f} minutes", now=now
            )
        except TaskMistake:
            log.debug("task %s ended otherwise meanwhile", task_id)
