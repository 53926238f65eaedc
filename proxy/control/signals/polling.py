"""Fetching events from a transmitter that does not push (RFC 8936): long polls, each with what became of the last."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import orjson

from policies.model import Json
from proxy.control.signals.hearing import Hearing
from proxy.control.signals.model import Transmitter
from proxy.control.signals.web import NoAnswer, Patience, Peer
from proxy.control.signals.words import SetRefused
from proxy.errors import CountersignError, Refused
from proxy.strict_json import loads
from telemetry.errors import AuditUnavailable

log = logging.getLogger("countersign.signals")

WITHIN = 65.0
AT_ONCE = 50
# A transmitter that answers at once, with nothing, is not asked without a pause.
PAUSE = 1.0


class Poller:
    """Fetches from one transmitter. What took effect is acknowledged; what may work later is not, and comes again."""

    def __init__(
        self, transmitter: Transmitter, peer: Peer, hearing: Hearing, *, clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._transmitter = transmitter
        self._peer = peer
        self._hearing = hearing
        self._clock = clock
        self._sleep = sleep
        self._taken: list[str] = []
        self._refused: dict[str, SetRefused] = {}
        self._patience = Patience()
        self.trouble = ""

    @property
    def transmitter(self) -> Transmitter:
        return self._transmitter

    async def step(self) -> None:
        """One poll, and what follows from it."""
        began = self._clock()
        try:
            tokens = await self._ask()
        except NoAnswer as error:
            await self._failed(str(error))
            return
        if self._patience.succeeded():
            log.warning("%s: events are fetched again", self._transmitter.name)
        self.trouble = ""
        postponed = 0
        for token_id, token in tokens.items():
            postponed += not await self._take(token_id, token)
        if postponed or (not tokens and self._clock() - began < PAUSE):
            await self._sleep(PAUSE)

    async def _ask(self) -> Mapping[str, str]:
        asked: dict[str, Json] = {"maxEvents": AT_ONCE, "returnImmediately": False}
        taken, refused = tuple(self._taken), dict(self._refused)
        if taken:
            asked["ack"] = [*taken]
        if refused:
            asked["setErrs"] = {name: {"err": one.err, "description": str(one)} for name, one in refused.items()}
        answer = await self._peer.post(orjson.dumps(asked), content_type="application/json", within=WITHIN)
        if answer.status != 200:
            raise NoAnswer(f"it answers {answer.status}")
        tokens = _tokens(answer.body)
        del self._taken[: len(taken)]
        for name in refused:
            self._refused.pop(name, None)
        return tokens

    async def _take(self, token_id: str, token: str) -> bool:
        """False if it is to come again."""
        try:
            presented = self._hearing.open(token)
            if presented.transmitter is not self._transmitter:
                raise SetRefused("invalid_issuer", "this token is of another issuer")
            if presented.unverified.claims.get("jti") != token_id:
                raise SetRefused("invalid_request", "this token is not the one that it stands for")
            await self._hearing.hear(presented)
        except SetRefused as refused:
            log.warning("%s: an event is refused: %s: %s", self._transmitter.name, refused.err, refused)
            self._refused[token_id] = refused
        except (Refused, CountersignError, AuditUnavailable) as error:
            log.warning("%s: an event must come again: %s", self._transmitter.name, error)
            return False
        else:
            self._taken.append(token_id)
        return True

    async def _failed(self, why: str) -> None:
        self.trouble = why
        seconds, first = self._patience.failed()
        if first:
            log.warning("%s: events cannot be fetched, and are asked for again: %s", self._transmitter.name, why)
        await self._sleep(seconds)


def _tokens(body: bytes) -> dict[str, str]:
    """The tokens by `jti`; `NoAnswer` if the answer is not one of RFC 8936 section 2.3."""
    try:
        said = loads(body, max_depth=8)
    except ValueError as error:
        raise NoAnswer(f"an answer that cannot be read: {error}") from error
    found = said.get("sets", {}) if isinstance(said, dict) else None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise NoAnswer("an answer without `sets`")
    if len(found) > AT_ONCE:
        raise NoAnswer(f"more than the {AT_ONCE} tokens that were asked for")
    return cast("dict[str, str]", found)
