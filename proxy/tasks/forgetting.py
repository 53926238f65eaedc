"""Ends that nothing can outlive are forgotten: else every process reads them for ever."""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from policies.model import Json
from proxy.tasks.interfaces import Revocation, TaskStore

MAX_TOKEN_LIFE = 900.0  # INVARIANT: proxy.identity.task_tokens takes none that lives longer
_KEPT_AFTER = 300.0  # seconds after a task's deadline: more than any clock tolerance of a token

# INVARIANT: proxy.identity takes no token of an issuer, and proxy.identity.handles issues no handle, that lives longer,
# nor does a task run longer. What rests on one of these ends with it, or sooner.
LONGEST_LIFE = 86_400.0
# As long again: clocks differ, and what is forgotten too late costs a row, too early a breach.
_MARGIN = 86_400.0

# A clock that was put right a moment ago may be put right again, and one that is days ahead may be so from the start.
# So nothing is forgotten that could outlive the time for which the clock is known to have run as it should: what was
# ended before that has died of age meanwhile, whatever the clock says, and of what was ended since it says the age.
# INVARIANT: an hour is more than any life of our own tokens.
STEADY_SECONDS = 3600.0
JUMP_SECONDS = 5.0
MOST_AT_ONCE = 500
_MOST_SHOWN = 40

type Record = Callable[[Mapping[str, Json]], Awaitable[object]]
type Forget = Callable[[Sequence[Revocation]], Awaitable[int]]


class SteadyClock:
    """For how long the wall clock has gone as fast as the monotonic one. At the start nobody knows."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._last: tuple[float, float] | None = None
        self._since = 0.0

    def is_steady(self, now: float) -> bool:
        """Whether it was for an hour."""
        return self.steady_for(now) >= STEADY_SECONDS

    def steady_for(self, now: float) -> float:
        """Seconds. Asked now and then; a jump since the last time begins them anew."""
        ticks, last = self._monotonic(), self._last
        self._last = (now, ticks)
        if last is None or not abs((now - last[0]) - (ticks - last[1])) <= JUMP_SECONDS:
            self._since = ticks
        return ticks - self._since


class Forgetting:
    """Takes out of the store what ended so long ago that whatever it ended has ended by itself since.

    What was lifted by mistake would live again, so it is forgotten only a day later than it could be, never soon
    after the clock jumped, and not without a record. `own_tokens` is how the scopes of our own task tokens begin,
    which are short-lived all.
    """

    def __init__(
        self, store: TaskStore, forget: Forget, record: Record, clock: SteadyClock, *, own_tokens: str | None = None
    ) -> None:
        self._store = store
        self._forget = forget
        self._record = record
        self._clock = clock
        self._own_tokens = own_tokens

    async def sweep(self, in_force: Iterable[Revocation], now: float) -> None:
        """A part of it at a time; the rest is for the next sweep."""
        steady = self._clock.steady_for(now)
        if steady < STEADY_SECONDS:
            return
        rows = list(in_force)
        over = (await self._not_needed([row for row in rows if self._is_over(row, now, steady)]))[:MOST_AT_ONCE]
        over += await self._over_with_their_task(rows, now)
        if not over:
            return
        shown = [f"scope={row.scope}"[:1000] for row in over[:_MOST_SHOWN]]
        more = [f"and={len(over) - _MOST_SHOWN}"] if len(over) > _MOST_SHOWN else []
        change: dict[str, Json] = {
            "what": "revocations",
            "by": "countersign",
            "kind": "forget",
            "reason": "whatever they ended has ended by itself long ago",
            "details": [f"count={len(over)}", *shown, *more],
        }
        await self._record({"type": "revocation.forgotten", "change": change})
        await self._forget(over)

    async def _not_needed(self, over: list[Revocation]) -> list[Revocation]:
        """Those but the ends of our own tokens with which a task was begun that lives: it may outlive the token."""
        if self._own_tokens is None or not any(row.scope.startswith(self._own_tokens) for row in over):
            return over
        # INVARIANT: nothing begins with a token that has ended, so that none is needed later than now
        needed = await self._store.live_via()
        return [row for row in over if row.scope not in needed]

    def _is_over(self, row: Revocation, now: float, steady: float) -> bool:
        if self._own_tokens is not None and row.scope.startswith(self._own_tokens):
            return row.at + MAX_TOKEN_LIFE + _KEPT_AFTER < now
        if row.kind != "revoke" or not _is_short_lived(row.scope):
            return False
        return steady >= LONGEST_LIFE and row.at + LONGEST_LIFE + _MARGIN < now

    async def _over_with_their_task(self, rows: Iterable[Revocation], now: float) -> list[Revocation]:
        ended = {row.ended_task: row for row in rows if row.ended_task is not None}
        over = await self._store.over_before(ended.keys(), now - _KEPT_AFTER) if ended else ()
        return [ended[task] for task in sorted(over)][:MOST_AT_ONCE]


def _is_short_lived(scope: str) -> bool:
    """Whether all that this scope ever names ends within `LONGEST_LIFE`; of what is not known to, it is false.

    A local user is as old as can be, and the certificate of a workload may be: their ends hold until they are lifted.
    """
    kind, _, name = scope.partition(":")
    issuer, foreign, _ = name.partition("|")
    match kind:
        case "handle":
            return True
        case "principal":
            return not foreign or issuer.startswith(_ISSUERS)
        case "token":
            return bool(foreign) and issuer.startswith(_ISSUERS)
        case _:
            return False


_ISSUERS: Final = "https://"
