"""Taking events: verified, written down, put into effect, and only then remembered as taken."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from policies.model import Json
from proxy.control.needs import Record
from proxy.control.signals.effects import Effect, effect_of, ends_at, said_reason
from proxy.control.signals.interfaces import Revoke
from proxy.control.signals.model import Event, Heard, Transmitter
from proxy.control.signals.sets import LEEWAY, MAX_AGE, Presented, SetReader
from proxy.control.signals.silence import Silence
from proxy.control.signals.whom import scopes_of, shown
from proxy.control.signals.words import SetRefused
from proxy.facts import Inventory
from proxy.identity.interfaces import ReplayStore

log = logging.getLogger("countersign.signals")

_ACTS = frozenset({"revoke", "freeze"})
_MOST_SHOWN = 40


@dataclass(frozen=True, slots=True)
class _Act:
    """What one event does, known in full before anything is done."""

    event: Event
    effect: Effect
    scopes: tuple[str, ...]
    at: float

    @property
    def acts(self) -> bool:
        return self.effect.what in _ACTS


class Hearing:
    """Takes tokens of transmitters. What it returns from has taken effect, durably; an exception means: send it again.

    Ends are the same however often they are made, so that a token counts as taken only after its effect.
    """

    def __init__(
        self,
        reader: SetReader,
        store: ReplayStore,
        revoke: Revoke,
        *,
        record: Record,
        inventory: Callable[[], Inventory],
        silence: Silence,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._store = store
        self._revoke = revoke
        self._record = record
        self._inventory = inventory
        self._silence = silence
        self._clock = clock
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def open(self, token: str) -> Presented:
        """Whose token it claims to be; see `SetReader.open`."""
        return self._reader.open(token)

    async def hear(self, presented: Presented) -> None:
        """Take this token; raises `SetRefused` if it will never be taken, other errors if it may be later."""
        heard = await self._reader.verify(presented, self._clock())
        key = "set:" + hashlib.sha256(f"{heard.transmitter.issuer}\0{heard.token_id}".encode()).hexdigest()
        # The same token twice at one time is taken once; and whoever hangs up does not leave it half done.
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._take(heard, key))
            self._under_way[key] = task
            task.add_done_callback(partial(self._done, key))
        await asyncio.shield(task)

    def _done(self, key: str, task: asyncio.Task[None]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, SetRefused):
            log.warning("an event was not taken, and is to be sent again: %s", error)

    async def _take(self, heard: Heard, key: str) -> None:
        if await self._store.was_used(key, self._clock()):
            return
        try:
            acts = self._acts(heard)
        except SetRefused as refused:
            await self._write("signal.refused", heard, refused.err, str(refused), [])
            raise
        for act in acts:
            await self._write(
                "signal.received",
                heard,
                act.effect.name,
                _reason(act, heard.transmitter),
                [f"event={act.event.uri}"[:600], f"effect={act.effect.what}", *_ends(act)],
            )
            await self._apply(act, heard.transmitter)
        await self._store.use_once(key, heard.issued_at + MAX_AGE + LEEWAY + 1.0, self._clock())
        await self._silence.heard(heard.transmitter, self._clock())  # a replay is no sign of life

    def _acts(self, heard: Heard) -> list[_Act]:
        now, inventory = self._clock(), self._inventory()
        acts: list[_Act] = []
        for event in heard.events:
            effect = effect_of(event)
            scopes: tuple[str, ...] = ()
            if effect.what in _ACTS:
                scopes = scopes_of(heard.subject, heard.transmitter, inventory)
            acts.append(_Act(event, effect, scopes, ends_at(event, heard.issued_at, now)))
        return acts

    async def _apply(self, act: _Act, transmitter: Transmitter) -> None:
        if act.effect.what == "stream":
            status = ascii(act.event.body.get("status"))[:64]
            log.warning("%s: the stream of events was changed: %s", transmitter.name, status)
        if not act.acts:
            return
        if not act.scopes:
            log.info("%s: `%s` is about nobody whom we know", transmitter.name, act.effect.name)
        reason = _reason(act, transmitter)
        for scope in act.scopes:
            await self._revoke(
                scope, transmitter.name, reason, act.at, kind="freeze" if act.effect.what == "freeze" else "revoke"
            )

    async def _write(self, type_: str, heard: Heard, kind: str, reason: str, details: Iterable[str]) -> None:
        said: list[Json] = [f"jti={heard.token_id}", f"subject={shown(heard.subject)}"[:2000], *details]
        change: dict[str, Json] = {
            "what": shown(heard.subject)[:500],
            "by": heard.transmitter.name,
            "kind": kind,
            "reason": reason,
            "details": said,
        }
        await self._record({"type": type_, "change": change})


def _reason(act: _Act, transmitter: Transmitter) -> str:
    said = said_reason(act.event)
    return f"{act.effect.name}, says {transmitter.issuer}{': ' if said else ''}{said}"[:500]


def _ends(act: _Act) -> list[str]:
    """What ends, as far as one record can hold it."""
    if not act.acts:
        return []
    more = [f"and={len(act.scopes) - _MOST_SHOWN}"] if len(act.scopes) > _MOST_SHOWN else []
    return [f"at={act.at:.3f}", *(f"ends={scope}"[:1000] for scope in act.scopes[:_MOST_SHOWN]), *more]
