"""Telling receivers: each in its own time and order, again until it has it, but not for ever (RFC 8935)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from policies.model import Json
from proxy.control.needs import Record
from proxy.control.signals.interfaces import Outbox
from proxy.control.signals.model import Outgoing, Receiver
from proxy.control.signals.web import Answer, NoAnswer, Patience, Peer
from proxy.control.signals.words import MEDIA_TYPE
from proxy.downstream.signer import Signer
from proxy.strict_json import loads

log = logging.getLogger("countersign.signals")

WITHIN = 10.0
AT_ONCE = 20
# Whoever was away for longer reads what is ended by other means, or was rebuilt.
MAX_AGE = 7 * 86_400.0
# About this one token. Every other error is about all of them, and keeps them in line.
_ABOUT_THE_TOKEN = frozenset({"invalid_request", "access_denied"})

type Verdict = Literal["taken", "never", "later"]


class Sender:
    """Delivers what is in line for one receiver. `wake` says that something may be there."""

    def __init__(
        self, receiver: Receiver, peer: Peer, outbox: Outbox, signer: Signer, *, record: Record,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._receiver = receiver
        self._peer = peer
        self._outbox = outbox
        self._signer = signer
        self._record = record
        self._sleep = sleep
        self._something = asyncio.Event()
        self._something.set()
        self._patience = Patience()
        self.trouble = ""

    @property
    def receiver(self) -> Receiver:
        return self._receiver

    def wake(self) -> None:
        """Look at the line now."""
        self._something.set()

    async def step(self) -> None:
        """Deliver what is in line, or wait until something is; after a failure, wait."""
        await self._something.wait()
        self._something.clear()
        while tokens := await self._outbox.outgoing(self._receiver.id, AT_ONCE):
            for token in tokens:
                if not await self._deliver(token):
                    self._something.set()
                    return

    async def _deliver(self, token: Outgoing) -> bool:
        """Whether the next one may follow."""
        try:
            answer = await self._peer.post(
                self._signer.sign(token.claims).encode(), content_type=MEDIA_TYPE, within=WITHIN
            )
            verdict, why = _verdict(answer)
        except NoAnswer as error:
            verdict, why = "later", str(error)
        if verdict == "later":
            await self._wait(why)
            return False
        if self._patience.succeeded():
            log.warning("receiver %s: events are taken again", self._receiver.id)
        self.trouble = ""
        if verdict == "never":
            await give_up(token, why, self._record)
        await self._outbox.drop_outgoing(self._receiver.id, [token.token_id])
        return True

    async def _wait(self, why: str) -> None:
        self.trouble = why
        seconds, first = self._patience.failed()
        if first:
            log.warning("receiver %s does not take events, and is asked again: %s", self._receiver.id, why)
        await self._sleep(seconds)


async def give_up(token: Outgoing, why: str, record: Record) -> None:
    """On record: this receiver will not be told."""
    log.error("receiver %s was not told by `%s`: %s", token.receiver, token.token_id, why)
    change: dict[str, Json] = {
        "what": f"receiver:{token.receiver}",
        "by": "countersign",
        "kind": "undelivered",
        "reason": why[:500],
        "details": [f"jti={token.token_id}", f"subject={token.claims.get('sub_id')}"[:2000]],
    }
    await record({"type": "signal.undelivered", "change": change})


def _verdict(answer: Answer) -> tuple[Verdict, str]:
    if answer.status in {200, 202}:
        return "taken", ""
    err = ""
    if answer.status == 400:
        try:
            said = loads(answer.body, max_bytes=65_536, max_depth=8)
        except ValueError:
            said = None
        value = said.get("err") if isinstance(said, dict) else None
        err = value if isinstance(value, str) else ""
    why = f"it answers {answer.status} {ascii(err)[1:-1][:64]}".rstrip()
    return ("never" if err in _ABOUT_THE_TOKEN else "later"), why
